package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// provider is an OpenID Connect provider at which everybody is logged in.
type provider struct {
	issuer string
	key    *rsa.PrivateKey

	mu     sync.Mutex
	user   string            // who comes
	pad    int               // bytes that its claims have more
	refuse bool              // refresh tokens are not taken
	nonces map[string]string // by code
	n      int               // tokens so far
	token  string            // the last one
}

func newProvider(issuer string) (*provider, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return &provider{issuer: issuer, key: key, user: "alice",
		nonces: map[string]string{}}, err
}

// set changes what it does.
func (p *provider) set(f func(p *provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// last is the ID token that was given out last, and how many there were.
func (p *provider) last() (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.token, p.n
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		reply(w, map[string]any{"issuer": p.issuer,
			"authorization_endpoint":                p.issuer + "/authorize",
			"token_endpoint":                        p.issuer + "/token",
			"jwks_uri":                              p.issuer + "/keys",
			"code_challenge_methods_supported":      []string{"S256"},
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	case "/keys":
		b64 := base64.RawURLEncoding.EncodeToString
		reply(w, map[string]any{"keys": []any{map[string]string{"kty": "RSA",
			"alg": "RS256", "use": "sig", "kid": "1",
			"n": b64(p.key.N.Bytes()),
			"e": b64(big.NewInt(int64(p.key.E)).Bytes())}}})
	case "/authorize":
		code := random(16)
		q := r.URL.Query()
		p.nonces[code] = q.Get("nonce")
		to := q.Get("redirect_uri") + "?" + url.Values{"code": {code},
			"state": {q.Get("state")}}.Encode()
		http.Redirect(w, r, to, http.StatusFound)
	case "/token":
		p.tokens(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) tokens(w http.ResponseWriter, r *http.Request) {
	nonce, known := p.nonces[r.FormValue("code")]
	delete(p.nonces, r.FormValue("code"))
	refresh := r.FormValue("grant_type") == "refresh_token"
	if refresh && p.refuse || !refresh && !known {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	now := time.Now()
	claims := map[string]any{"iss": p.issuer, "aud": "app", "sub": p.user,
		"email": p.user + "@example.com", "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"jti": random(8), "pad": random(p.pad)}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	p.n++
	p.token = p.sign(claims)
	reply(w, map[string]any{"access_token": random(24), "token_type": "Bearer",
		"expires_in": 3600, "refresh_token": random(24),
		"id_token": p.token})
}

func (p *provider) sign(claims map[string]any) string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]string{"alg": "RS256", "kid": "1",
		"typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// short is a text for messages.
func short(s string) string {
	if len(s) > 200 {
		s = s[:200] + fmt.Sprintf("... (%d bytes)", len(s))
	}
	return strings.TrimSpace(s)
}
