"""A JPEG with a C2PA manifest, signed by a certificate made here."""

from __future__ import annotations

import datetime
import io
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MADE = {
    "action": "c2pa.created",
    "digitalSourceType": f"{_IPTC}trainedAlgorithmicMedia",
    "softwareAgent": "Model X",
}
_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def signed_jpeg() -> bytes:
    """By "Test Signer" with the program "Image Maker"."""
    import c2pa

    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = _certificate("leaf", leaf, root) + _certificate("root", root, root)
    private = leaf.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, private, None))
    actions = {"label": "c2pa.actions", "data": {"actions": [_MADE]}}
    made = {"claim_generator_info": [{"name": "Image Maker"}], "assertions": [actions]}
    source, signed = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8), (9, 99, 9)).save(source, "JPEG")
    source.seek(0)
    with c2pa.Builder(json.dumps(made)) as builder:
        builder.sign(signer, "image/jpeg", source, signed)
    return signed.getvalue()


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePrivateKey
) -> bytes:
    authority, now = key is issuer, datetime.datetime.now(datetime.UTC)
    uses = dict.fromkeys(_USES, False)
    uses["key_cert_sign" if authority else "digital_signature"] = True
    day = datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder(_named("root"), _named(name), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.KeyUsage(**uses), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False
        )
    )
    if not authority:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False
        )
    return builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _named(common: str) -> x509.Name:
    parts = {
        NameOID.COUNTRY_NAME: "DE",
        NameOID.ORGANIZATION_NAME: "Test Signer",
        NameOID.COMMON_NAME: common,
    }
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts.items()])
