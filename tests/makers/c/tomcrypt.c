#include "held.h"
#define LTM_DESC
#include <tomcrypt.h>

int main(int argc, char **argv)
{
    static rsa_key rsa;
    static ecc_key ecc;
    static symmetric_key aes;
    unsigned char buffer[4096], out[1024], key[32];
    unsigned long size = sizeof out;
    must(argc == 2, "a folder");
    ltc_mp = ltm_desc;
    int random = register_prng(&sprng_desc), hash = register_hash(&sha256_desc);
    must(random >= 0 && hash >= 0, "register");
    size_t got = load(argv[1], "rsa2048.pkcs1", buffer, sizeof buffer);
    must(rsa_import(buffer, got, &rsa) == CRYPT_OK, "rsa");
    must(rsa_sign_hash_ex(DIGEST, 32, out, &size, LTC_PKCS_1_V1_5, NULL, random, hash, 0, &rsa) == CRYPT_OK, "rsa sign");
    got = load(argv[1], "p256.q", buffer, sizeof buffer);
    must(ecc_ansi_x963_import(buffer, got, &ecc) == CRYPT_OK, "p256");
    got = load(argv[1], "p256.d", buffer, sizeof buffer);
    must(ltc_mp.unsigned_read(ecc.k, buffer, got) == CRYPT_OK, "scalar");
    ecc.type = PK_PRIVATE;
    wipe(buffer, sizeof buffer);
    size = sizeof out;
    must(ecc_sign_hash(DIGEST, 32, out, &size, NULL, random, &ecc) == CRYPT_OK, "p256 sign");
    load(argv[1], "aes128", key, 16);
    must(aes_setup(key, 16, 0, &aes) == CRYPT_OK, "aes");
    wipe(key, sizeof key);
    aes_ecb_encrypt(DIGEST, out, &aes);
    wait_to_be_dumped();
    return 0;
}
