"""The yardstick: a bare Sanic app that reads the body and answers `{}`. `python -m tests.bench.noop
FD`."""

import socket
import sys

from sanic import HTTPResponse, Request, Sanic
from sanic.response import json

app = Sanic("noop", configure_logging=False)


@app.post("/track")
async def track(request: Request) -> HTTPResponse:
    assert request.body
    return json({})


if __name__ == "__main__":
    app.prepare(
        sock=socket.socket(fileno=int(sys.argv[1])),
        single_process=True,
        motd=False,
        access_log=False,
    )
    Sanic.serve_single(app)
