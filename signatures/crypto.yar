rule nostr_private_key {
  meta:
    id = "nostr-private-key"
    title = "Nostr private key"
    kind = "nostr-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "nsec1"
    longest = 63
    validator = "bech32"
    reference = "https://github.com/nostr-protocol/nips/blob/master/19.md"
    example = "<bech32:nsec>"
    counterexample = "xxxxxxxxxxxx"
  strings:
    $a = /nsec1[02-9ac-hj-np-z]{58}/
  condition:
    $a
}

rule bip32_extended_private_key {
  meta:
    id = "bip32-extended-private-key"
    title = "BIP 32 extended private key"
    kind = "bip32-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "xprv|yprv|zprv|tprv"
    longest = 111
    validator = "extended-key"
    reference = "https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki"
    example = "<xprv>"
    counterexample = "xprv<base62:107>"
  strings:
    $a = /[xyzt]prv[1-9A-HJ-NP-Za-km-z]{107}/
  condition:
    $a
}

rule sui_private_key {
  meta:
    id = "sui-private-key"
    title = "Sui private key"
    kind = "sui-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "suiprivkey1"
    longest = 71
    validator = "bech32"
    reference = "https://docs.sui.io/concepts/cryptography/transaction-auth/keys-addresses"
    example = "<bech32:suiprivkey>"
    counterexample = "suiprivkey1<lower:58>"
  strings:
    $a = /suiprivkey1[02-9ac-hj-np-z]{58,60}/
  condition:
    $a
}

rule aptos_private_key {
  meta:
    id = "aptos-private-key"
    title = "Aptos private key"
    kind = "aptos-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "ed25519-priv-0x|secp256k1-priv-0x"
    longest = 81
    validator = "hex-random"
    reference = "https://github.com/aptos-foundation/AIPs/blob/main/aips/aip-80.md"
    example = "ed25519-priv-0x<hex:64>"
    counterexample = "ed25519-priv-0x0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /(ed25519|secp256k1)-priv-0x[0-9a-f]{64}/
  condition:
    $a
}

rule tezos_private_key {
  meta:
    id = "tezos-private-key"
    title = "Tezos private key"
    kind = "tezos-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "edsk"
    longest = 98
    validator = "base58check"
    reference = "https://octez.tezos.com/docs/"
    example = "<edsk>"
    counterexample = "edsk<letters:50>"
  strings:
    $a = /edsk([1-9A-HJ-NP-Za-km-z]{50}|[1-9A-HJ-NP-Za-km-z]{94})/
  condition:
    $a
}

rule extended_key_other {
  meta:
    id = "extended-key-other"
    title = "BIP 32 extended private key, other versions"
    kind = "bip32-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "yprv|zprv|tprv|uprv|vprv"
    longest = 111
    validator = "extended-key"
    reference = "https://github.com/satoshilabs/slips/blob/master/slip-0132.md"
    example = "<xprv:04b2430c>"
    counterexample = "zprv<letters:107>"
  strings:
    $a = /[yztuv]prv[1-9A-HJ-NP-Za-km-z]{107}/
  condition:
    $a
}

rule wif_key {
  meta:
    id = "wif-key"
    title = "Bitcoin private key in wallet import format"
    kind = "bitcoin-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "privkey|PrivKey|private_key|privateKey|PrivateKey|PRIVATE_KEY|wif\"|wif:|wif=|p2pkh:|p2wpkh:|p2wpkh-p2sh:"
    longest = 72
    validator = "wif"
    value = "([5KLc9][1-9A-HJ-NP-Za-km-z]{50,51})\\Z"
    reference = "https://en.bitcoin.it/wiki/Wallet_import_format"
    example = "private_key: <wif:01>"
    counterexample = "private_key: K<letters:51>"
  strings:
    $a = /(priv(ate)?_?key|wif|p2pkh|p2wpkh|p2wpkh-p2sh)[\"\']?[ ]{0,3}[:= (]?[ ]{0,3}[\"\'(]?[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}/ nocase
  condition:
    $a
}

rule ethereum_private_key {
  meta:
    id = "ethereum-private-key"
    title = "Ethereum private key"
    kind = "ethereum-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "private_key|privateKey|PRIVATE_KEY|privatekey|PrivateKey"
    longest = 86
    validator = "hex-random"
    value = "(?i)((?:0x)?[0-9a-f]{64})\\Z"
    reference = "https://ethereum.org/en/developers/docs/accounts/"
    example = "PRIVATE_KEY=0x<hex:64>"
    counterexample = "PRIVATE_KEY=0x0000000000000000000000000000000000000000000000000000000000000000"
  strings:
    $a = /private_?key[\"\']?[ ]{0,3}[:=,][ ]{0,3}[\"\']?(0x)?[0-9a-f]{64}/ nocase
  condition:
    $a
}

rule bip39_phrase {
  meta:
    id = "bip39-phrase"
    title = "BIP 39 recovery phrase"
    kind = "bip39-phrase"
    severity = "critical"
    confidence = "possible"
    anchor = "mnemonic|Mnemonic|MNEMONIC|seed phrase|seed_phrase|seedPhrase|SEED_PHRASE|recovery phrase|Recovery phrase|recovery_phrase"
    longest = 255
    validator = "bip39"
    value = "([a-z]{3,8}(?: [a-z]{3,8}){11,23})\\Z"
    boundary = "none"
    placeholders = "keep"
    reference = "https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki"
    example = "MNEMONIC=\"<bip39>\""
    counterexample = "mnemonic: <bip39> legal"
  strings:
    $a = /(mnemonic|(seed|recovery)[ _]?phrase)[0-9a-z_ ]{0,16}[\"\']?[ ]{0,3}[:=][ ]{0,3}[\"\']?[a-z]{3,8}( [a-z]{3,8}){11,23}/ nocase
  condition:
    $a
}

rule tendermint_key {
  meta:
    id = "tendermint-key"
    title = "Tendermint validator key"
    kind = "tendermint-private-key"
    severity = "critical"
    confidence = "validated"
    anchor = "tendermint/PrivKeyEd25519"
    longest = 140
    validator = "random"
    value = "\\\"([0-9A-Za-z+/]{86}==)"
    boundary = "base64"
    reference = "https://docs.cometbft.com/"
    example = "\"type\": \"tendermint/PrivKeyEd25519\", \"value\": \"<bytes64:64>"
    counterexample = "\"type\": \"tendermint/PrivKeyEd25519\", \"value\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
  strings:
    $a = /tendermint\/PrivKeyEd25519\",\s{0,12}\"value\":\s{0,4}\"[0-9A-Za-z+\/]{86}==/
  condition:
    $a
}
