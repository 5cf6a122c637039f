/* Keys of CNG and CryptoAPI, made, exported, used and kept; then the program crashes and its handler dumps it.
   What it read and what it exported for the test is wiped from its own buffers, but with a second argument. */
#include <windows.h>
#include <bcrypt.h>
#include <dbghelp.h>
#include <stdio.h>
#include <wincrypt.h>
#include "held.h"

#define CNG(call, what) must((call) == 0, what)

static const char *folder;
static int keeps_blobs;
static unsigned char scratch[8192];
static HCRYPTPROV provider;
static WCHAR *token;

static void *fresh(SIZE_T size)
{
    return HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size);
}

static void exported(const char *name, size_t size)
{
    FILE *file = fopen(path_of(folder, name), "wb");
    must(file != NULL, name);
    setvbuf(file, NULL, _IONBF, 0);
    must(fwrite(scratch, 1, size, file) == size, name);
    fclose(file);
    if (keeps_blobs) memcpy(fresh(size), scratch, size);
    wipe(scratch, sizeof scratch);
}

static BCRYPT_ALG_HANDLE algorithm(const WCHAR *name)
{
    BCRYPT_ALG_HANDLE handle;
    CNG(BCryptOpenAlgorithmProvider(&handle, name, NULL, 0), "algorithm");
    return handle;
}

static void export_cng(BCRYPT_KEY_HANDLE key, const WCHAR *type, const char *name)
{
    ULONG size;
    CNG(BCryptExportKey(key, NULL, type, scratch, sizeof scratch, &size, 0), name);
    exported(name, size);
}

static BCRYPT_KEY_HANDLE generate(const WCHAR *name, ULONG bits)
{
    BCRYPT_KEY_HANDLE key;
    CNG(BCryptGenerateKeyPair(algorithm(name), &key, bits, 0), "generate");
    CNG(BCryptFinalizeKeyPair(key, 0), "finalize");
    return key;
}

static void sign_cng(BCRYPT_KEY_HANDLE key, void *padding, ULONG flags)
{
    UCHAR signature[512];
    ULONG size;
    CNG(BCryptSignHash(key, padding, (UCHAR *)DIGEST, 32, signature, sizeof signature, &size, flags), "BCryptSignHash");
}

static void rsa_of_cng(void)
{
    BCRYPT_PKCS1_PADDING_INFO pkcs1 = {BCRYPT_SHA256_ALGORITHM};
    BCRYPT_KEY_HANDLE made = generate(BCRYPT_RSA_ALGORITHM, 2048), read;
    ULONG size = load(folder, "rsa3072.rsa2", scratch, sizeof scratch);
    CNG(BCryptImportKeyPair(algorithm(BCRYPT_RSA_ALGORITHM), NULL, BCRYPT_RSAPRIVATE_BLOB, &read, scratch, size, 0), "rsa");
    wipe(scratch, sizeof scratch);
    sign_cng(made, &pkcs1, BCRYPT_PAD_PKCS1);
    sign_cng(read, &pkcs1, BCRYPT_PAD_PKCS1);
    export_cng(made, BCRYPT_RSAPUBLIC_BLOB, "cng-rsa2048.rsa1");
    export_cng(made, BCRYPT_RSAPRIVATE_BLOB, "cng-rsa2048.rsa2");
    export_cng(made, BCRYPT_RSAFULLPRIVATE_BLOB, "cng-rsa2048.rsa3");
    export_cng(read, BCRYPT_RSAFULLPRIVATE_BLOB, "cng-rsa3072.rsa3");
}

static void ec_of_cng(void)
{
    BCRYPT_KEY_HANDLE signer = generate(BCRYPT_ECDSA_P256_ALGORITHM, 256), agrees = generate(BCRYPT_ECDH_P384_ALGORITHM, 384);
    BCRYPT_SECRET_HANDLE secret;
    sign_cng(signer, NULL, 0);
    CNG(BCryptSecretAgreement(agrees, agrees, &secret, 0), "BCryptSecretAgreement");
    export_cng(signer, BCRYPT_ECCPUBLIC_BLOB, "cng-p256.eccpublic");
    export_cng(signer, BCRYPT_ECCPRIVATE_BLOB, "cng-p256.ecc");
    export_cng(agrees, BCRYPT_ECCPUBLIC_BLOB, "cng-p384.eccpublic");
    export_cng(agrees, BCRYPT_ECCPRIVATE_BLOB, "cng-p384.ecc");
}

static void aes_of_cng(void)
{
    BCRYPT_KEY_HANDLE key;
    UCHAR block[32], iv[16] = {1};
    ULONG size = load(folder, "aes256", scratch, 32);
    CNG(BCryptGenerateSymmetricKey(algorithm(BCRYPT_AES_ALGORITHM), &key, NULL, 0, scratch, size, 0), "aes256");
    wipe(scratch, sizeof scratch);
    CNG(BCryptEncrypt(key, (UCHAR *)DIGEST, 32, NULL, iv, 16, block, 32, &size, 0), "BCryptEncrypt");
    export_cng(key, BCRYPT_KEY_DATA_BLOB, "cng-aes256.kdbm");
}

static void export_capi(HCRYPTKEY key, DWORD type, const char *name)
{
    DWORD size = sizeof scratch;
    must(CryptExportKey(key, 0, type, 0, scratch, &size), name);
    exported(name, size);
}

static HCRYPTKEY read_capi(const char *file)
{
    HCRYPTKEY key;
    DWORD size = load(folder, file, scratch, sizeof scratch);
    must(CryptImportKey(provider, scratch, size, 0, CRYPT_EXPORTABLE, &key), file);
    wipe(scratch, sizeof scratch);
    return key;
}

static void sign_capi(void)
{
    BYTE signature[512];
    DWORD size = sizeof signature;
    HCRYPTHASH hash;
    must(CryptCreateHash(provider, CALG_SHA_256, 0, 0, &hash), "CryptCreateHash");
    must(CryptHashData(hash, DIGEST, 32, 0), "CryptHashData");
    must(CryptSignHashA(hash, AT_SIGNATURE, NULL, 0, signature, &size), "CryptSignHash");
    CryptDestroyHash(hash);
}

static void capi(void)
{
    BYTE block[48];
    DWORD size = 32;
    HCRYPTKEY made, read, aes;
    must(CryptAcquireContextA(&provider, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT), "CryptAcquireContext");
    read = read_capi("rsa2048.capi");
    sign_capi();
    must(CryptGenKey(provider, AT_SIGNATURE, 2048 << 16 | CRYPT_EXPORTABLE, &made), "CryptGenKey");
    sign_capi();
    aes = read_capi("aes128.capi");
    memcpy(block, DIGEST, 32);
    must(CryptEncrypt(aes, 0, TRUE, 0, block, &size, sizeof block), "CryptEncrypt");
    export_capi(made, PUBLICKEYBLOB, "capi-rsa2048.public");
    export_capi(made, PRIVATEKEYBLOB, "capi-rsa2048.private");
    export_capi(read, PRIVATEKEYBLOB, "capi-read.private");
    export_capi(aes, PLAINTEXTKEYBLOB, "capi-aes128.plain");
}

static void hold_token(void)
{
    size_t size = load(folder, "token", scratch, sizeof scratch);
    token = fresh(2 * size + 2);
    for (size_t i = 0; i < size; i++) token[i] = scratch[i];
    wipe(scratch, sizeof scratch);
}

static DWORD WINAPI waits(void *event)
{
    WaitForSingleObject(event, INFINITE);
    return token[0];
}

static LONG WINAPI crashed(EXCEPTION_POINTERS *pointers)
{
    MINIDUMP_EXCEPTION_INFORMATION exception = {GetCurrentThreadId(), pointers, FALSE};
    MINIDUMP_TYPE type = MiniDumpWithFullMemory | MiniDumpWithHandleData | MiniDumpWithThreadInfo | MiniDumpWithFullMemoryInfo;
    HANDLE file = CreateFileA(path_of(folder, "crash.dmp"), GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    must(file != INVALID_HANDLE_VALUE, "crash.dmp");
    must(MiniDumpWriteDump(GetCurrentProcess(), GetCurrentProcessId(), file, type, &exception, NULL, NULL), "dump");
    CloseHandle(file);
    wait_to_be_dumped();
    ExitProcess(0);
}

int main(int argc, char **argv)
{
    must(argc == 2 || argc == 3, "a folder");
    folder = argv[1];
    keeps_blobs = argc == 3;
    rsa_of_cng();
    ec_of_cng();
    aes_of_cng();
    capi();
    hold_token();
    CreateThread(NULL, 0, waits, CreateEventA(NULL, TRUE, FALSE, NULL), 0, NULL);
    Sleep(100);
    SetUnhandledExceptionFilter(crashed);
    *(volatile int *)16 = 1;
    return 0;
}
