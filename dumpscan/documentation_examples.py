"""Credentials that providers print in their documentation, or distributions in a package's files: nobody's secret.

Kept as SHA-256 of the value, so that this file does not look like a list of secrets itself.
"""

from __future__ import annotations

import hashlib

_DIGESTS = frozenset(
    (
        "9d03b692e941d5ace207a9f804883443",
        "d167410a16865cd6463a00034dff5e57",
        "00cf4c781dc37003f7c7dd7d4c9a6ef1",
        "ca7459e2b26776de081b9a07e40227fd",
        "0b5dd075ccdd03c42f4edda8e299e683",
        "731fa294d036e54f19df879bfcd4fe72",
        "6c96130f130ab0d6d158397e24d2bcc1",
        "9d6a2b9d1f01d4577cbdce4de6f0834a",
        "cdfce49713b0b84831a622c934cd6c6b",
        "789eb04ae4c00984483bc16c3fd12491",
        "c6ea27c534f993d31f0aef882e3d200e",
        "1a5d44a2dca19669d72edf4c4f1c27c4",
        "cb20d34a7adda2f5d2043836051e242f",
        "94eb7a80f07d44a42dd084010bb524c9",
        "aa6547439583c3a275d4542a0df6c1ad",
        "0011cc25eb4320717494d2703e8cba85",
        "73f71af093fdf1541b2c376f03436d71",
        "cf4d418ed3de92d71f767db5391d5a2d",
        "ad71fb4165536675d80a8bbfe957697e",
        "0e9d220616f08345a714ee57d8516310",
        "e4da07ad200089ce7f40110f02910677",
        "f51685e9f0bf58d57b3ebf694fb75bfa",
        "bc3ae723f57c6b9e3fd80b699fcc420f",
        "3543c50b0cb9cea8e55eb1f529b79f04",
        "976b57ee8acdfcf45f76bcc5e329a236",
        "e21b597ba6b9cafa59d9ebc4d65c0385",
        "b8e148545b13c78bc74da2f1a7275dd7",
        "59a272fc32b47dc451babe3b52943ce3",
        "2cafc0970149a84f3b9e62eaf169f36f",
        "f2d6ca16515033e5dce14eba840b979d",
        "78314b11be2e581549ac1c4f616563fa",
        "ea1ca3e25b35a51ea7c8c9e5434d6faa",
        "8d567eb88afff34f31ab97fbb2731e58",
        "80f8b7c904d4a43f3b7036db73247daa",
        "cfdb0b01ec7be831040e31209bb42cac",
        "cb87c87e4a138d9a72259d2a01bab156",
        "4c20e6f5cc11b93731e74cbe20739821",
        "6aa14267d94944e6b6483c81f5ad37f8",
        "07c431900e91f99acfde104eb5057a2c",
        "649e1f5c769e718ba10d1a702a36499a",
        "f7026ba153dc0b7d0823c3dfd000864a",  # Debian's package of Chromium, /etc/chromium.d/apikeys
        "0932b11171039a7c5d117f141f4e2f57",
        # firebase-android-sdk: keys of its tests and samples, which scanners of secrets carry as ones to leave alone
        "f56e323494a6ffc2064e7a955908957d",
        "2037abcaffb2b77785da716cf7ccff4f",
        "3f370c9dd8225c63b5c77de1f785edc9",
        "e4a5542bb7fd7b67e943c71ad29c34b5",
        "a19f89ab3555eac10c40741f6df79ecf",
        "0b476bdf9acf2123d547b5ae76f1e598",
        "eb540d2b6ee2a0a47c5779bc8a014178",
        "37f8f09bdf12c2f2eae4ead7273a62dd",
        "8731261cb72d86267a32a532ebd3df42",
        "49f777db995e8260da7ca9ffdf0c08d6",
        "27a9a42931dff7eb2f8434e20a9bce97",
        "dc0fcf046c61640cbd1e8b999ada3262",
        "4c98242dcadc8b29005c6b4aad526552",
        "ea9bb1082cf95663f5faca23b8b15ef2",
        "3a8b61d0f636b007840c0d40ba12bcf4",
        "a6c814bc555ae62c7bd8b58ec07bf559",
        "ac0fd5fb36e32010bf895b3446954aab",  # pip's manual, topics/authentication
        "d5c6bd4536bfaa61421cff7e5f2f58ca",  # XMLSec's examples, verify4: a SAML assertion
        "131a6c00534ce4fa3bd9a424e9055541",  # requests-oauthlib's manual: a token and its secret
        "b55c3eb087132236aa6012e11ff722ef",
        # web3.js: private keys of its manual, as it writes them
        "62b63bc4ca11f81caea87cbe0cfc2d60",
        "b7a4257bddc7c4ed7a7b3d2b896c9bee",
        "a012ab209802a0b6c4a514ef1cfa8acd",
        "8e975be85d7dcb03553fb9a67ed86ca2",
        "4497e629fd280cf84a7b70f9b4f4b8bd",
        "f319e5f13ac7ba7db17e0d9ef36533f2",
        "190f4f2670583e0ebfa60b59dcd08464",
        "7c5eb7a1a8ba4215551fd00d19990d99",
        "503c57c99d9c6d78762fbe667465b197",
        "30ac7bda16ea628fd9bfeea0d0236567",
        "62bd4921af06734d0c017bfbf4d8ba7b",
        "ff7763fc1f7377df7f9b93ac66824173",
        "96c60fedb8fc0d4b4235a894eeb71f36",
        "7957e26005ebfdcf102fb8e8f6f1dd21",
        "f76f5eb6b3ec49a14e805181034a48d5",
        "58e21e2c17a7402df2d4b63c6b816ee6",
        # ethers and web3.js: the access keys to public nodes that they share out among all who have none
        "bcc1a4dcd108e532a71a863ad227d11c",
        "0dec272a05c648a7a0be94748b3fccaf",
        "eb4edce1ae410003a1cd58bd54cbf114",
        "d1d2d26c32c0cf70253c53e0f5f4aa91",
        "9e875745a9ef9e7217d3c31c800e2707",
    )
)


def is_documentation(value: bytes) -> bool:
    """Whether ``value`` is printed in public documentation."""
    return hashlib.sha256(value).hexdigest()[:32] in _DIGESTS
