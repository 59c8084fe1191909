# SPDX-License-Identifier: Apache-2.0
"""Turns pages into Markdown as mcp-server-fetch does, by its own function.

usage: convert.py DIR, of which convert.mjs tells the rest.
"""

import json
import pathlib
import resource
import sys
import time

from mcp_server_fetch.server import extract_content_from_html


def used():
    """CPU seconds of this process and of the children that it waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main(directory):
    pages = [(directory / page["file"]).read_bytes() for page in json.loads((directory / "index.json").read_text())]
    print(json.dumps({"pages": len(pages)}), flush=True)
    for line in sys.stdin:
        cpu, begin, result = used(), time.perf_counter_ns(), {}
        try:
            result["characters"] = len(extract_content_from_html(pages[int(line)].decode("utf-8", "replace")))
        except Exception as error:
            result["error"] = repr(error)[:200]
        result["wall_ns"] = time.perf_counter_ns() - begin
        result["cpu_ns"] = round((used() - cpu) * 1e9)
        result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(result), flush=True)


main(pathlib.Path(sys.argv[1]))
