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
    anchor = "xprv9|xprvA|xprv"
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
