#include "held.h"
#include <sodium.h>

int main(int argc, char **argv)
{
    unsigned char seed[32], public_key[32], signature[64], nonce[24] = {1}, box[64];
    static crypto_aead_aes256gcm_state aes;
    must(argc == 2 && sodium_init() >= 0, "a folder");
    unsigned char *held = sodium_malloc(64), *exchange = malloc(32), *secret = malloc(32), *peer = malloc(32);
    load(argv[1], "ed25519.d", seed, sizeof seed);
    must(!crypto_sign_seed_keypair(public_key, held, seed), "ed25519");
    wipe(seed, sizeof seed);
    must(!crypto_sign_detached(signature, NULL, DIGEST, sizeof DIGEST, held), "sign");
    load(argv[1], "x25519.d", exchange, 32);
    must(!crypto_scalarmult_base(peer, exchange), "x25519");
    must(!crypto_box_easy(box, DIGEST, 32, nonce, peer, exchange), "box");
    load(argv[1], "aes256", secret, 32);
    if (crypto_aead_aes256gcm_is_available()) {
        unsigned long long size;
        must(!crypto_aead_aes256gcm_beforenm(&aes, secret), "aes");
        crypto_aead_aes256gcm_encrypt_afternm(box, &size, DIGEST, 32, NULL, 0, NULL, nonce, &aes);
    }
    wait_to_be_dumped();
    return held[0] + exchange[0] + secret[0] == -1;
}
