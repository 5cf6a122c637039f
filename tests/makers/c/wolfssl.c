#include "held.h"
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

int main(int argc, char **argv)
{
    WC_RNG chance;
    RsaKey *rsa = malloc(sizeof *rsa);
    ecc_key *ec = malloc(sizeof *ec);
    unsigned char file[4096], signature[512];
    word32 at = 0, size = sizeof signature, length;
    must(argc == 2 && wc_InitRng(&chance) == 0, "start");

    length = load(argv[1], "rsa2048.pkcs1", file, sizeof file);
    must(wc_InitRsaKey(rsa, NULL) == 0 && wc_RsaPrivateKeyDecode(file, &at, rsa, length) == 0, "RSA");
    must(wc_RsaSetRNG(rsa, &chance) == 0, "blinding");
    must(wc_RsaSSL_Sign(DIGEST, sizeof DIGEST, signature, sizeof signature, rsa, &chance) == 256, "RSA signature");

    at = 0;
    length = load(argv[1], "p256.der", file, sizeof file);
    must(wc_ecc_init(ec) == 0 && wc_EccPrivateKeyDecode(file, &at, ec, length) == 0, "EC");
    must(wc_ecc_sign_hash(DIGEST, sizeof DIGEST, signature, &size, &chance, ec) == 0, "EC signature");

    wipe(file, sizeof file);
    wait_to_be_dumped();
    return (int)((size_t)rsa ^ (size_t)ec) & 1;
}
