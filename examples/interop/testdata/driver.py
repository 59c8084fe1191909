# SPDX-License-Identifier: Apache-2.0
"""The driver of the Python SDK's client; driver.mjs says what a driver does."""

import json
import sys
import warnings

import anyio
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client import session
from mcp.client.streamable_http import streamable_http_client

# After 10 seconds it would take a server for one of the older versions, which on
# a busy machine has not even started.
session.DISCOVER_TIMEOUT_SECONDS = 120.0
warnings.simplefilter("ignore")  # some of what is tried is deprecated, on purpose


def write(line):
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def plain(model):
    """A model of the SDK as it was on the wire."""
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def emit(event, params=None):
    write({"event": event, "params": plain(params) if params else {}})


class Driver:
    def __init__(self, params):
        self.calls = {}  # id of the command -> CancelScope
        self.listening = {}  # URI, or None for lists -> Event that ends the subscription

        async def sampling(_, request):
            emit("sampling/createMessage", request)
            return types.CreateMessageResult.model_validate(params["sampling"])

        async def elicitation(_, request):
            emit("elicitation/create", request)
            answer = params["elicitation"]
            return types.ElicitResult(action=answer["action"], content=None if request.mode == "url" else answer["content"])

        async def roots(_):
            emit("roots/list")
            return types.ListRootsResult.model_validate({"roots": params["roots"]})

        async def message(notification):
            if isinstance(notification, Exception):
                emit("error: " + str(notification))
            elif not isinstance(notification, types.ProgressNotification):
                emit(notification.method, notification.params)

        answers = {"sampling_callback": sampling, "elicitation_callback": elicitation, "list_roots_callback": roots}
        if "url" in params:
            # By default it would refuse events of more than 1 MiB, thus large
            # results that take long.
            server = streamable_http_client(params["url"], max_sse_event_size=64 << 20)
        else:
            command, *args = params["command"]
            server = StdioServerParameters(command=command, args=args)
        self.client = Client(
            server,
            # A version instead of auto would keep it from asking what the server has.
            mode={"modern": "auto"}.get(params["era"], params["era"]),
            **{} if params.get("plain") else answers,
            message_handler=message,
            cache=None,
        )

    async def list(self, _):
        has = self.client.server_capabilities
        found = {"tools": [tool.name for tool in (await self.client.list_tools()).tools]}
        if has.resources:
            found["resources"] = [str(r.uri) for r in (await self.client.list_resources()).resources]
            templates = await self.client.list_resource_templates()
            found["templates"] = [t.uri_template for t in templates.resource_templates]
        if has.prompts:
            found["prompts"] = [p.name for p in (await self.client.list_prompts()).prompts]
        return found

    async def call(self, params, id):
        async def progress(done, total, message):
            params = {"call": id, "progress": done, "total": total, "message": message}
            write({"event": "notifications/progress", "params": {k: v for k, v in params.items() if v is not None}})

        with anyio.CancelScope() as scope:
            self.calls[id] = scope
            try:
                return await self.client.call_tool(
                    params["name"],
                    params.get("arguments"),
                    progress_callback=progress if params.get("progress") else None,
                    meta=params.get("_meta"),
                )
            finally:
                del self.calls[id]
        raise MCPError(code=0, message="the driver was told to cancel")

    async def cancel(self, params):
        self.calls[params["call"]].cancel()

    async def prompt(self, params):
        return await self.client.get_prompt(params["name"], params.get("arguments"))

    async def read(self, params):
        return await self.client.read_resource(params["uri"])

    async def complete(self, params):
        ref = {"ref/prompt": types.PromptReference, "ref/resource": types.ResourceTemplateReference}[params["ref"]["type"]]
        return await self.client.complete(ref.model_validate(params["ref"]), params["argument"])

    async def subscribe(self, params):
        if self.client.protocol_version < "2026-07-28":
            return await self.client.session.subscribe_resource(params["uri"])
        await self.listen(params["uri"], resource_subscriptions=[params["uri"]])

    async def watch(self, _):
        if self.client.protocol_version >= "2026-07-28":
            await self.listen(None, tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True)

    async def listen(self, what, **filter):
        opened, ended = anyio.Event(), anyio.Event()
        self.listening[what] = ended

        async def keep():
            async with self.client.listen(**filter):
                opened.set()
                await ended.wait()

        self.tasks.start_soon(keep)
        await opened.wait()

    async def unsubscribe(self, params):
        if self.client.protocol_version < "2026-07-28":
            return await self.client.session.unsubscribe_resource(params["uri"])
        self.listening[params["uri"]].set()

    async def level(self, params):
        await self.client.set_logging_level(params["level"])

    async def ping(self, _):
        await self.client.send_ping()

    def open(self):
        return {
            "version": self.client.protocol_version,
            "server": plain(self.client.server_info) if self.client.server_info else None,
            "capabilities": plain(self.client.server_capabilities),
        }

    async def run(self, command):
        id, op, params = command["id"], command["op"], command.get("params") or {}
        try:
            result = await (self.call(params, id) if op == "call" else getattr(self, op)(params))
            write({"id": id, "result": plain(result) if hasattr(result, "model_dump") else result or {}})
        except Exception as error:
            write({"id": id, "error": {"code": getattr(error, "code", 0), "message": str(error) or repr(error)}})


async def main():
    commands = anyio.wrap_file(sys.stdin)
    connect = json.loads(await commands.readline())
    driver = Driver(connect["params"])
    try:
        async with driver.client, anyio.create_task_group() as driver.tasks:
            write({"id": connect["id"], "result": driver.open()})
            async for line in commands:
                command = json.loads(line)
                if command["op"] == "close":
                    driver.tasks.cancel_scope.cancel()
                    break
                driver.tasks.start_soon(driver.run, command)
            else:
                driver.tasks.cancel_scope.cancel()
                return
    except Exception as error:
        write({"id": connect["id"], "error": {"code": getattr(error, "code", 0), "message": repr(error)}})
        raise
    write({"id": command["id"], "result": {}})


anyio.run(main)
