"""Twisted, an echo server and a client of it."""

from twisted.internet import endpoints, protocol, reactor

DATA = b"parcel" * 5_000


class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


class Client(protocol.Protocol):
    def __init__(self):
        self.echoed, self.rounds = bytearray(), 0

    def connectionMade(self):
        self.transport.write(DATA)

    def dataReceived(self, data):
        self.echoed += data
        if len(self.echoed) == len(DATA):
            assert self.echoed == DATA
            self.rounds += 1
            if self.rounds == 100:
                self.transport.loseConnection()
            else:
                self.echoed.clear()
                self.transport.write(DATA)

    def connectionLost(self, reason):
        reactor.callLater(0, reactor.stop)


def program(relay):
    listening = reactor.listenTCP(0, protocol.Factory.forProtocol(Echo), interface="127.0.0.1")
    endpoint = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", relay(listening.getHost().port))
    client = Client()
    connecting = endpoints.connectProtocol(endpoint, client)
    connecting.addErrback(lambda failure: reactor.stop())
    reactor.run()
    assert client.rounds == 100
