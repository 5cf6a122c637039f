#include "held.h"
#include <cryptopp/files.h>
#include <cryptopp/osrng.h>
#include <cryptopp/pssr.h>
#include <cryptopp/rsa.h>
#include <cryptopp/sha.h>
#include <cryptopp/xed25519.h>

int main(int, char **argv)
{
    CryptoPP::AutoSeededRandomPool chance;
    unsigned char signature[512];
    CryptoPP::RSASS<CryptoPP::PKCS1v15, CryptoPP::SHA256>::Signer rsa;
    CryptoPP::ed25519::Signer edwards;
    rsa.AccessKey().Load(CryptoPP::FileSource(path_of(argv[1], "rsa2048.der"), true).Ref());
    edwards.AccessPrivateKey().Load(CryptoPP::FileSource(path_of(argv[1], "ed25519.der"), true).Ref());
    must(rsa.SignMessage(chance, DIGEST, sizeof DIGEST, signature) == 256, "RSA");
    must(edwards.SignMessage(chance, DIGEST, sizeof DIGEST, signature) == 64, "Ed25519");
    wait_to_be_dumped();
}
