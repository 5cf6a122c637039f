"""Programs in Go, Java, JavaScript and Python that load the keys of a folder, use them, and wait to be dumped."""

from __future__ import annotations

GO = r"""
package main

import (
	"bufio"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func use(folder, name string) crypto.Signer {
	text, err := os.ReadFile(folder + "/" + name + ".pem")
	must(err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(err)
	for i := range text {
		text[i] = 0
	}
	for i := range block.Bytes {
		block.Bytes[i] = 0
	}
	signer := key.(crypto.Signer)
	digest := sha256.Sum256([]byte("a message"))
	if edwards, ok := key.(ed25519.PrivateKey); ok {
		ed25519.Sign(edwards, digest[:])
		return signer
	}
	_, err = signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	must(err)
	return signer
}

func encrypt(folder, name string, size int) cipher.AEAD {
	key, err := os.ReadFile(folder + "/" + name)
	must(err)
	block, err := aes.NewCipher(key[:size])
	must(err)
	aead, err := cipher.NewGCM(block)
	must(err)
	for i := range key {
		key[i] = 0
	}
	aead.Seal(nil, make([]byte, 12), []byte("a message"), nil)
	return aead
}

var held []interface{}
var _ *ecdsa.PrivateKey

func main() {
	folder := os.Args[1]
	for _, name := range []string{"rsa2048", "rsa3072", "p256", "p384", "p521", "ed25519"} {
		held = append(held, use(folder, name))
	}
	held = append(held, encrypt(folder, "aes128", 16), encrypt(folder, "aes256", 32))
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadByte()
	fmt.Println(len(held))
}
"""

JAVA = r"""
import java.nio.file.*;
import java.security.*;
import java.security.spec.*;
import java.util.*;
import javax.crypto.*;
import javax.crypto.spec.*;

public class Held {
    static final List<Object> held = new ArrayList<>();

    static void use(Path folder, String name, String family, String signature) throws Exception {
        byte[] der = Files.readAllBytes(folder.resolve(name + ".der"));
        PrivateKey key = KeyFactory.getInstance(family).generatePrivate(new PKCS8EncodedKeySpec(der));
        Arrays.fill(der, (byte) 0);
        Signature signer = Signature.getInstance(signature);
        for (int i = 0; i < 3; i++) {
            signer.initSign(key);
            signer.update(new byte[100]);
            signer.sign();
        }
        held.add(key);
        held.add(signer);
    }

    static void encrypt(Path folder, String name) throws Exception {
        byte[] key = Files.readAllBytes(folder.resolve(name));
        Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding");
        cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(new byte[16]));
        for (int i = 0; i < 3; i++) cipher.update(new byte[4096]);
        held.add(cipher);
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        use(folder, "rsa2048", "RSA", "SHA256withRSA");
        use(folder, "p256", "EC", "SHA256withECDSA");
        use(folder, "p384", "EC", "SHA384withECDSA");
        use(folder, "p521", "EC", "SHA512withECDSA");
        use(folder, "ed25519", "Ed25519", "Ed25519");
        encrypt(folder, "aes128");
        encrypt(folder, "aes256");
        System.out.println("ready");
        System.out.flush();
        System.in.read();
        System.out.println(held.size());
    }
}
"""

NODE = r"""
const crypto = require('crypto'), fs = require('fs');
const folder = process.argv[2];
const held = [];
for (const name of ['rsa2048', 'rsa3072', 'p256', 'p384', 'p521', 'ed25519']) {
  const pem = fs.readFileSync(`${folder}/${name}.pem`);
  const key = crypto.createPrivateKey(pem);
  pem.fill(0);
  for (let i = 0; i < 3; i++) crypto.sign(name === 'ed25519' ? null : 'sha256', Buffer.from('a message'), key);
  held.push(key);
}
for (const [name, size] of [['aes128', 16], ['aes256', 32]]) {
  const key = fs.readFileSync(`${folder}/${name}`);
  const cipher = crypto.createCipheriv(`aes-${size * 8}-cbc`, key, Buffer.alloc(16));
  key.fill(0);
  cipher.update(Buffer.alloc(256));
  held.push(cipher);
}
console.log('ready');
process.stdin.on('data', () => process.exit(held.length));
"""

PYTHON = r"""
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

folder, held = sys.argv[1], []
for name in ("rsa2048", "rsa3072", "p256", "p384", "p521", "ed25519", "x25519"):
    with open(f"{folder}/{name}.pem", "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    if name.startswith("rsa"):
        key.sign(b"a message", padding.PKCS1v15(), hashes.SHA256())
    elif name.startswith("p"):
        key.sign(b"a message", ec.ECDSA(hashes.SHA256()))
    elif name == "ed25519":
        key.sign(b"a message")
    held.append(key)
    if name in ("rsa3072", "p384"):
        held.append(key.private_numbers())
for name in ("aes128", "aes256"):
    with open(f"{folder}/{name}", "rb") as file:
        encryptor = Cipher(algorithms.AES(file.read()), modes.CBC(bytes(16))).encryptor()
    encryptor.update(bytes(256))
    held.append(encryptor)
print("ready", flush=True)
sys.stdin.readline()
print(len(held))
"""

ASGI = """
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})
"""

JAVA_MAKER = """
import java.nio.file.*; import java.security.*; import java.util.*;
public class Made {
    public static void main(String[] a) throws Exception {
        List<Object> kept = new ArrayList<>();
        for (String[] kind : new String[][] {{"RSA", "2048", "rsa2048"}, {"EC", "256", "p256"}}) {
            KeyPairGenerator maker = KeyPairGenerator.getInstance(kind[0]);
            maker.initialize(Integer.parseInt(kind[1]));
            KeyPair made = maker.generateKeyPair();
            kept.add(made);
            Files.write(Path.of(a[0], kind[2] + ".made"), made.getPrivate().getEncoded());
        }
        System.out.println("ready"); System.out.flush();
        System.in.read();
    }
}
"""

GO_MAKER = """
package main

import (
	"bufio"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	made, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	for name, key := range map[string]any{"rsa2048": made, "ed25519": other} {
		file, _ := x509.MarshalPKCS8PrivateKey(key)
		os.WriteFile(os.Args[1]+"/"+name+".made", file, 0600)
	}
	rsa.SignPKCS1v15(rand.Reader, made, crypto.SHA256, make([]byte, 32))
	ed25519.Sign(other, []byte("message"))
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\\n')
	fmt.Println(made.D, other)
}
"""
