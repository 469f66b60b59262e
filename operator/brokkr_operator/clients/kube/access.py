"""Where the API server is and how we may speak to it.

kubeconfig files, exec plugins, in-cluster tokens and their refresh are the official package's
matter; of its client nothing else is used.
"""

import importlib
import ssl
from dataclasses import dataclass
from typing import Any

import kopf

from brokkr_operator.errors import StartupError


@dataclass
class Access:
    """A loaded configuration of the official package, behind the few things we ask of it."""

    configuration: Any

    @property
    def server(self) -> str:
        return str(self.configuration.host).rstrip("/")

    def ssl_context(self) -> ssl.SSLContext | bool:
        c = self.configuration
        if not self.server.startswith("https"):
            return False
        context = ssl.create_default_context(cafile=c.ssl_ca_cert)
        if not c.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if c.cert_file:
            context.load_cert_chain(c.cert_file, keyfile=c.key_file)
        return context

    async def headers(self) -> dict[str, str]:
        """Fresh on every request: tokens expire."""
        key = await self.configuration.get_api_key_with_prefix("BearerToken")
        if not key:
            return {}
        return {"Authorization": key if " " in key else f"Bearer {key}"}

    async def for_kopf(self) -> kopf.ConnectionInfo:
        c = self.configuration
        token = (await self.headers()).get("Authorization", "").partition(" ")[2]
        return kopf.ConnectionInfo(
            server=self.server,
            ca_path=c.ssl_ca_cert,
            insecure=not c.verify_ssl,
            scheme="Bearer" if token else None,
            token=token or None,
            certificate_path=c.cert_file,
            private_key_path=c.key_file,
            default_namespace="default",
        )


async def load(kubeconfig: str | None) -> Access:
    """From a named kubeconfig, else from the pod, else from the user's default kubeconfig."""
    # NB: half a second and 40 MiB; only those who connect pay for it.
    from kubernetes.aio import client

    config: Any = importlib.import_module("kubernetes.aio.config")  # untyped

    configuration = client.Configuration()
    try:
        if kubeconfig:
            await config.load_kube_config(kubeconfig, client_configuration=configuration)
            return Access(configuration)
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
    except (config.ConfigException, OSError) as e:
        raise StartupError(f"no Kubernetes API: {e}") from e
    return Access(configuration)
