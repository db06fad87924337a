package plane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is the cluster's certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

// certificates writes ca.crt, apiserver.crt and .key, admin.crt and .key, and
// the key pair of ServiceAccount tokens, sa.key and sa.pub, into dir.
func certificates(dir string, hosts []string, ips []string) error {
	a := &authority{dir: dir}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true,
		Subject:  pkix.Name{CommonName: "cluster"},
		KeyUsage: x509.KeyUsageCertSign}
	if err := a.issue("ca", template); err != nil {
		return err
	}
	server := &x509.Certificate{Subject: pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    hosts,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, ip := range ips {
		server.IPAddresses = append(server.IPAddresses, net.ParseIP(ip))
	}
	if err := a.issue("apiserver", server); err != nil {
		return err
	}
	if err := a.issue("admin", &x509.Certificate{
		Subject: pkix.Name{CommonName: "admin",
			Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return err
	}
	key, err := a.newKey("sa")
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return a.write("sa.pub", "PUBLIC KEY", der)
}

// issue writes a key and its certificate; the first one is the authority's.
func (a *authority) issue(name string, c *x509.Certificate) error {
	key, err := a.newKey(name)
	if err != nil {
		return err
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore = time.Now().Add(-time.Hour)
	c.NotAfter = time.Now().AddDate(1, 0, 0)
	if !c.IsCA {
		c.KeyUsage = x509.KeyUsageDigitalSignature
	} else {
		a.cert, a.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey,
		a.key)
	if err != nil {
		return err
	}
	if c.IsCA {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			return err
		}
	}
	return a.write(name+".crt", "CERTIFICATE", der)
}

func (a *authority) newKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, a.write(name+".key", "EC PRIVATE KEY", der)
}

func (a *authority) write(name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(a.dir, name),
		pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
