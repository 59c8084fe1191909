# SPDX-License-Identifier: Apache-2.0
"""A login with the Python SDK's OAuthClientProvider; person.mjs says what it writes."""

import json
import sys

import anyio
import httpx2
from mcp import Client
from mcp.client import session
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

# After 10 seconds it would take a server for one of the older versions.
session.DISCOVER_TIMEOUT_SECONDS = 120.0


def write(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Storage:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def main(url):
    storage = Storage()
    logins = 0
    answer, answered = {}, anyio.Event()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    redirect_uri = f"http://127.0.0.1:{port}/callback"

    async def serve(stream):
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            query = httpx2.URL(head.split(b" ")[1].decode()).params
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            answer.update(query)
            answered.set()

    async def redirect(page):
        nonlocal logins
        logins += 1
        write({"open": page})

    async def callback():
        await answered.wait()
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    auth = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata.model_validate({
            "client_name": "Python SDK",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }),
        storage=storage,
        redirect_handler=redirect,
        callback_handler=callback,
    )

    async def who_am_i():
        async with httpx2.AsyncClient(auth=auth, timeout=120) as http:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                return (await client.call_tool("whoami", {})).content[0].text

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        who = await who_am_i()
        before = storage.tokens
        # The SDK refreshes by the clock only; a token that is refused makes it log in anew.
        auth.context.token_expiry_time = 1
        who_refreshed = await who_am_i()
        tasks.cancel_scope.cancel()
    after = storage.tokens
    write({"result": {
        "who": who, "whoRefreshed": who_refreshed, "logins": logins, "scope": before.scope,
        "refreshed": after.access_token != before.access_token and after.refresh_token != before.refresh_token,
    }})


anyio.run(main, sys.argv[1])
