"""Authorities and certificates for a test, made by the openssl command in a directory of its own."""

import pathlib
import subprocess

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

CONFIG = """
[ca]
default_ca = own
[own]
database = {directory}/issued
new_certs_dir = {directory}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = DNS:localhost,IP:127.0.0.1
basicConstraints = CA:FALSE
"""


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Authority:
    """An authority. `file` is its certificate; what it issues lies beside it."""

    def __init__(self, directory, name):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.file, self.key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        openssl("req", "-x509", *CURVE, "-days", 30, "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.file)

    def issue(self, name, ended=False):
        """A certificate for localhost, valid now or five years ago, and its key, as files."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        request, config = self.directory / f"{name}.csr", self.directory / "config"
        openssl("req", *CURVE, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        config.write_text(CONFIG.format(directory=self.directory))
        (self.directory / "issued").touch()
        valid = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"] if ended else ["-days", 30]
        signer = ["-config", config, "-cert", self.file, "-keyfile", self.key]
        openssl("ca", "-batch", "-notext", *signer, *valid, "-in", request, "-out", certificate)
        return certificate, key
