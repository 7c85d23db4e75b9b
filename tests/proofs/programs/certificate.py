"""A certificate for 127.0.0.1, and the two TLS contexts that go with it."""

import ssl

import trustme


def contexts():
    """Return the server's context and a client's."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
