package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA signs server and client certificates.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  []byte
	// Trust are the CAs of client certificates besides this one.
	Trust []*CA
	n     int64
}

// NewCA makes a CA.
func NewCA(name string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:   pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{cert: c, key: key, PEM: pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: der})}, nil
}

// Issue makes a key pair in PEM for names (addresses or DNS names), or for a
// client when there are none.
func (ca *CA) Issue(cn string, names ...string) (crt, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ca.n++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano() + ca.n),
		Subject:      pkix.Name{CommonName: cn, Organization: []string{"system:masters"}},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(23 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth,
			x509.ExtKeyUsageClientAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, k.Public(),
		ca.key)
	if err != nil {
		return nil, nil, err
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kd}), nil
}

// ServerConfig is that of a server which also takes client certificates.
func (ca *CA) ServerConfig(h2 bool) *tls.Config {
	crt, key, err := ca.Issue("kube-apiserver", "127.0.0.1", "::1",
		"localhost", "kubernetes", "kubernetes.default.svc")
	if err != nil {
		panic(err)
	}
	pair, err := tls.X509KeyPair(crt, key)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	for _, c := range ca.Trust {
		pool.AddCert(c.cert)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if h2 {
		conf.NextProtos = []string{"h2", "http/1.1"}
	}
	return conf
}

// WriteFile replaces a file by rename.
func WriteFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// WriteKubeconfig writes ca.crt, token, client.crt, client.key and kubeconfig
// into a folder.  how: "token" (a token file), "inline" (the token itself) or
// "cert" (a client certificate).
func (s *Server) WriteKubeconfig(dir, how, token string) (string, error) {
	cluster := fmt.Sprintf("    server: %s\n", s.URL())
	user := "    {}\n"
	if s.CA != nil {
		if err := WriteFile(filepath.Join(dir, "ca.crt"), s.CA.PEM); err != nil {
			return "", err
		}
		cluster += fmt.Sprintf("    certificate-authority: %s\n",
			filepath.Join(dir, "ca.crt"))
	}
	if err := WriteFile(filepath.Join(dir, "token"), []byte(token)); err != nil {
		return "", err
	}
	switch how {
	case "token":
		user = fmt.Sprintf("    tokenFile: %s\n", filepath.Join(dir, "token"))
	case "inline":
		user = fmt.Sprintf("    token: %s\n", token)
	case "cert":
		crt, key, err := s.CA.Issue("ingress-nginx")
		if err != nil {
			return "", err
		}
		if err = WriteFile(filepath.Join(dir, "client.crt"), crt); err != nil {
			return "", err
		}
		if err = WriteFile(filepath.Join(dir, "client.key"), key); err != nil {
			return "", err
		}
		user = fmt.Sprintf("    client-certificate: %s\n    client-key: %s\n",
			filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key"))
	}
	path := filepath.Join(dir, "kubeconfig")
	return path, WriteFile(path, []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster:
%scontexts:
- name: test
  context:
    cluster: test
    user: test
users:
- name: test
  user:
%s`, cluster, user)))
}
