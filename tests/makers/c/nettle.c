#include "held.h"
#include <nettle/aes.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>
#include <nettle/eddsa.h>
#include <nettle/rsa.h>

static void number(const char *folder, const char *name, mpz_t value)
{
    unsigned char buffer[1024];
    size_t size = load(folder, name, buffer, sizeof buffer);
    mpz_import(value, size, 1, 1, 1, 0, buffer);
    wipe(buffer, sizeof buffer);
}

static void chance(void *context, size_t size, uint8_t *out)
{
    static FILE *source;
    (void)context;
    if (!source) source = fopen("/dev/urandom", "rb");
    must(fread(out, 1, size, source) == size, "random");
}

int main(int argc, char **argv)
{
    struct rsa_private_key rsa;
    struct rsa_public_key rsa_public;
    struct ecc_scalar scalar;
    struct dsa_signature signature;
    struct { uint8_t *public_key, *secret, *signature; } ed = {malloc(32), malloc(32), malloc(64)};
    static struct aes128_ctx aes128;
    static struct aes256_ctx aes256;
    uint8_t key[32], out[32];
    mpz_t value;
    must(argc == 2, "a folder");
    rsa_private_key_init(&rsa);
    rsa_public_key_init(&rsa_public);
    number(argv[1], "rsa2048.n", rsa_public.n);
    number(argv[1], "rsa2048.e", rsa_public.e);
    number(argv[1], "rsa2048.d", rsa.d);
    number(argv[1], "rsa2048.p", rsa.p);
    number(argv[1], "rsa2048.q", rsa.q);
    number(argv[1], "rsa2048.dp", rsa.a);
    number(argv[1], "rsa2048.dq", rsa.b);
    number(argv[1], "rsa2048.qinv", rsa.c);
    must(rsa_public_key_prepare(&rsa_public) && rsa_private_key_prepare(&rsa), "rsa");
    mpz_init(value);
    must(rsa_sha256_sign_digest_tr(&rsa_public, &rsa, NULL, chance, DIGEST, value), "rsa sign");
    ecc_scalar_init(&scalar, nettle_get_secp_256r1());
    number(argv[1], "p256.d", value);
    must(ecc_scalar_set(&scalar, value), "p256");
    struct ecc_point point;
    mpz_t x, y;
    mpz_init(x); mpz_init(y);
    ecc_point_init(&point, nettle_get_secp_256r1());
    ecc_point_mul_g(&point, &scalar);
    ecc_point_get(&point, x, y);
    dsa_signature_init(&signature);
    ecdsa_sign(&scalar, NULL, chance, 32, DIGEST, &signature);
    load(argv[1], "ed25519.d", ed.secret, 32);
    ed25519_sha512_public_key(ed.public_key, ed.secret);
    ed25519_sha512_sign(ed.public_key, ed.secret, 32, DIGEST, ed.signature);
    load(argv[1], "aes128", key, 16);
    aes128_set_encrypt_key(&aes128, key);
    load(argv[1], "aes256", key, 32);
    aes256_set_encrypt_key(&aes256, key);
    wipe(key, sizeof key);
    aes128_encrypt(&aes128, 32, out, DIGEST);
    aes256_encrypt(&aes256, 32, out, DIGEST);
    wait_to_be_dumped();
    return out[0] == 0 && out[1] == 0 && out[2] == 0;
}
