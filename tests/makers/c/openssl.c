#include "held.h"
#include <openssl/evp.h>
#include <openssl/pem.h>

static EVP_PKEY *use(const char *folder, const char *name, const EVP_MD *md)
{
    BIO *file = BIO_new_file(path_of(folder, name), "r");
    must(file != NULL, name);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    BIO_free(file);
    must(key != NULL, name);
    for (int i = 0; i < 3; i++) {
        unsigned char signature[1024];
        size_t size = sizeof signature;
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        must(EVP_DigestSignInit(context, NULL, md, NULL, key) == 1, "init");
        must(EVP_DigestSign(context, signature, &size, DIGEST, sizeof DIGEST) == 1, "sign");
        EVP_MD_CTX_free(context);
    }
    return key;
}

static EVP_PKEY *agree(const char *folder, const char *name)
{
    BIO *file = BIO_new_file(path_of(folder, name), "r");
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL), *peer = NULL;
    BIO_free(file);
    must(key != NULL, name);
    peer = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    unsigned char shared[64];
    size_t size = sizeof shared;
    must(EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1, "peer");
    must(EVP_PKEY_derive(context, shared, &size) == 1, "derive");
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    wipe(shared, sizeof shared);
    return key;
}

static EVP_CIPHER_CTX *encrypt(const char *folder, const char *name, const EVP_CIPHER *cipher)
{
    unsigned char key[32], out[64];
    int size;
    load(folder, name, key, sizeof key);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    must(EVP_EncryptInit_ex(context, cipher, NULL, key, DIGEST) == 1, name);
    wipe(key, sizeof key);
    must(EVP_EncryptUpdate(context, out, &size, DIGEST, 32) == 1, "encrypt");
    return context;
}

int main(int argc, char **argv)
{
    void *held[9];
    must(argc == 2, "a folder");
    held[0] = use(argv[1], "rsa2048.pem", EVP_sha256());
    held[1] = use(argv[1], "rsa3072.pem", EVP_sha256());
    held[2] = use(argv[1], "p256.pem", EVP_sha256());
    held[3] = use(argv[1], "p384.pem", EVP_sha384());
    held[4] = use(argv[1], "p521.pem", EVP_sha512());
    held[5] = use(argv[1], "ed25519.pem", NULL);
    held[6] = agree(argv[1], "x25519.pem");
    held[7] = encrypt(argv[1], "aes128", EVP_aes_128_gcm());
    held[8] = encrypt(argv[1], "aes256", EVP_aes_256_cbc());
    wait_to_be_dumped();
    return held[0] == NULL;
}
