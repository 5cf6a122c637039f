#include "held.h"
#include <mbedtls/aes.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>

static mbedtls_ctr_drbg_context drbg;

static void use(const char *folder, const char *name, mbedtls_pk_context *key, mbedtls_md_type_t md)
{
    unsigned char signature[1024];
    size_t size;
    mbedtls_pk_init(key);
    must(!mbedtls_pk_parse_keyfile(key, path_of(folder, name), NULL), name);
    for (int i = 0; i < 3; i++)
        must(!mbedtls_pk_sign(key, md, DIGEST, 32, signature, &size, mbedtls_ctr_drbg_random, &drbg), "sign");
}

static void encrypt(const char *folder, const char *name, unsigned bits, mbedtls_aes_context *context)
{
    unsigned char key[32], out[16];
    load(folder, name, key, sizeof key);
    mbedtls_aes_init(context);
    must(!mbedtls_aes_setkey_enc(context, key, bits), name);
    wipe(key, sizeof key);
    must(!mbedtls_aes_crypt_ecb(context, MBEDTLS_AES_ENCRYPT, DIGEST, out), "encrypt");
}

int main(int argc, char **argv)
{
    static mbedtls_entropy_context entropy;
    mbedtls_pk_context key[3];
    mbedtls_aes_context aes[2];
    must(argc == 2, "a folder");
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&drbg);
    must(!mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0), "seed");
    use(argv[1], "rsa2048.pem", &key[0], MBEDTLS_MD_SHA256);
    use(argv[1], "p256.pem", &key[1], MBEDTLS_MD_SHA256);
    use(argv[1], "p384.pem", &key[2], MBEDTLS_MD_SHA256);
    encrypt(argv[1], "aes128", 128, &aes[0]);
    encrypt(argv[1], "aes256", 256, &aes[1]);
    wait_to_be_dumped();
    return mbedtls_pk_get_bitlen(&key[0]) == 0 || aes[0].nr == 0;
}
