#include "held.h"
#include <gcrypt.h>

static gcry_mpi_t number(const char *folder, const char *name)
{
    unsigned char buffer[1024];
    gcry_mpi_t mpi;
    size_t size = load(folder, name, buffer, sizeof buffer);
    must(!gcry_mpi_scan(&mpi, GCRYMPI_FMT_USG, buffer, size, NULL), name);
    wipe(buffer, sizeof buffer);
    return mpi;
}

static void use(gcry_sexp_t key, const char *data_format, const char *what)
{
    gcry_sexp_t data, signature;
    must(!gcry_sexp_build(&data, NULL, data_format, 32, DIGEST), "data");
    for (int i = 0; i < 3; i++) {
        must(!gcry_pk_sign(&signature, data, key), what);
        gcry_sexp_release(signature);
    }
}

static gcry_sexp_t rsa(const char *folder)
{
    gcry_sexp_t key;
    gcry_mpi_t p = number(folder, "rsa2048.p"), q = number(folder, "rsa2048.q"), u = gcry_mpi_new(1024);
    if (gcry_mpi_cmp(p, q) > 0) gcry_mpi_swap(p, q);
    gcry_mpi_invm(u, p, q);
    must(!gcry_sexp_build(&key, NULL, "(private-key(rsa(n%m)(e%m)(d%m)(p%m)(q%m)(u%m)))", number(folder, "rsa2048.n"),
                          number(folder, "rsa2048.e"), number(folder, "rsa2048.d"), p, q, u), "rsa");
    gcry_mpi_release(p); gcry_mpi_release(q); gcry_mpi_release(u);
    use(key, "(data(flags pkcs1)(hash sha256 %b))", "rsa sign");
    return key;
}

static gcry_sexp_t curve(const char *folder, const char *format, const char *name, const char *data)
{
    unsigned char point[256], secret[64];
    char file[64];
    gcry_sexp_t key;
    snprintf(file, sizeof file, "%s.q", name);
    int q = (int)load(folder, file, point, sizeof point);
    snprintf(file, sizeof file, "%s.d", name);
    int d = (int)load(folder, file, secret, sizeof secret);
    must(!gcry_sexp_build(&key, NULL, format, q, point, d, secret), name);
    wipe(secret, sizeof secret);
    use(key, data, name);
    return key;
}

static gcry_cipher_hd_t encrypt(const char *folder, const char *name, int algorithm, size_t size)
{
    unsigned char key[32], out[32];
    gcry_cipher_hd_t handle;
    load(folder, name, key, size);
    must(!gcry_cipher_open(&handle, algorithm, GCRY_CIPHER_MODE_CTR, 0) && !gcry_cipher_setkey(handle, key, size), name);
    wipe(key, sizeof key);
    must(!gcry_cipher_encrypt(handle, out, sizeof out, DIGEST, sizeof out), "encrypt");
    return handle;
}

int main(int argc, char **argv)
{
    void *held[5];
    must(argc == 2 && gcry_check_version(NULL), "a folder");
    gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    held[0] = rsa(argv[1]);
    held[1] = curve(argv[1], "(private-key(ecc(curve \"NIST P-256\")(q%b)(d%b)))", "p256",
                    "(data(flags raw)(hash sha256 %b))");
    held[2] = curve(argv[1], "(private-key(ecc(curve Ed25519)(flags eddsa)(q%b)(d%b)))", "ed25519",
                    "(data(flags eddsa)(hash-algo sha512)(value %b))");
    held[3] = encrypt(argv[1], "aes128", GCRY_CIPHER_AES128, 16);
    held[4] = encrypt(argv[1], "aes256", GCRY_CIPHER_AES256, 32);
    wait_to_be_dumped();
    return held[0] == NULL;
}
