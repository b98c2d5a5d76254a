"""A Kafka broker as in production: TLS, passwords or client certificates, and rights for each user."""

from __future__ import annotations

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.servers.certificates import Certificates
from tests.servers.kafka import KafkaBroker, admin_client
from tests.servers.ports import free_ports

PASSWORD = "of,the=relay/user"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
MECHANISMS = ("PLAIN", *SCRAM)
ITERATIONS = 4096  # the fewest that SCRAM allows


class SecuredKafka(KafkaBroker):
    """Has two listeners more: SASL_SSL (user `relay` with PASSWORD, by any of MECHANISMS), and SSL for the client
    certificate.

    The plain one stays, for the tests themselves: whoever comes that way may do everything.
    """

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self.certificates = certificates
        password_port, certificate_port = free_ports(2)
        self.for_password = f"127.0.0.1:{password_port}"
        self.for_certificate = f"127.0.0.1:{certificate_port}"
        plain = f"PLAINTEXT://{self.bootstrap}"
        secured = f"SASL_SSL://{self.for_password},SSL://{self.for_certificate}"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        self._properties = {
            "listeners": f"{plain},{secured},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"{plain},{secured}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            **{f"listener.name.sasl_ssl.{each.lower()}.sasl.jaas.config": scram for each in SCRAM},
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{jaas} user_relay="{PASSWORD}" user_stranger="s";',
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.ca),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def start(self) -> None:
        """See KafkaBroker; and makes the user's SCRAM credentials, which are kept by the broker itself."""
        super().start()
        admin = admin_client(self.bootstrap)
        for each in SCRAM:  # one a request
            kind = ScramCredentialInfo(ScramMechanism[each.replace("-", "_")], ITERATIONS)
            wanted = UserScramCredentialUpsertion("relay", kind, PASSWORD.encode())
            admin.alter_user_scram_credentials([wanted])["relay"].result(30)

    def password_settings(self, mechanism: str = "PLAIN") -> dict[str, str]:
        """What a client of librdkafka's needs for the user `relay`."""
        return {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.certificates.ca),
            "sasl.mechanism": mechanism,
            "sasl.username": "relay",
            "sasl.password": PASSWORD,
        }

    @property
    def certificate_settings(self) -> dict[str, str]:
        """The same for the client certificate."""
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.certificates.ca),
            "ssl.certificate.location": str(self.certificates.client),
            "ssl.key.location": str(self.certificates.client),
        }

    def allow(self, user: str, topic: str, *operations: AclOperation) -> None:
        """Lets `user` do this with one topic."""
        pattern, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        bindings = [
            AclBinding(ResourceType.TOPIC, topic, pattern, f"User:{user}", "*", each, allow) for each in operations
        ]
        admin = admin_client(self.bootstrap)
        for future in admin.create_acls(bindings).values():
            future.result(30)
