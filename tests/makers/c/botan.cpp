#include "held.h"
#include <botan/auto_rng.h>
#include <botan/data_src.h>
#include <botan/pkcs8.h>
#include <botan/pubkey.h>
#include <memory>
#include <vector>

int main(int, char **argv)
{
    static const char *const names[][2] = {
        {"rsa2048.pem", "EMSA4(SHA-256)"},
        {"p256.pem", "EMSA1(SHA-256)"},
        {"p384.pem", "EMSA1(SHA-256)"},
        {"ed25519.pem", "Pure"},
    };
    Botan::AutoSeeded_RNG chance;
    std::vector<std::unique_ptr<Botan::Private_Key>> keys;
    std::vector<std::unique_ptr<Botan::PK_Signer>> signers;
    for (auto &name : names) {
        Botan::DataSource_Stream file(path_of(argv[1], name[0]));
        std::unique_ptr<Botan::Private_Key> key(Botan::PKCS8::load_key(file));
        auto signer = std::make_unique<Botan::PK_Signer>(*key, chance, name[1]);
        must(!signer->sign_message(DIGEST, sizeof DIGEST, chance).empty(), name[0]);
        keys.push_back(std::move(key));
        signers.push_back(std::move(signer));
    }
    wait_to_be_dumped();
}
