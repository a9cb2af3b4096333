"""The ClickHouse engine behind ClickHouse's HTTP interface.

The engine is chDB, ClickHouse as a library; no current server is in a package registry. This file adds the
part of https://clickhouse.com/docs/interfaces/http that clients use: queries in the URL or the body, inserts
with the data in the body, chunked bodies, native LZ4 blocks (`decompress=1`), LZ4 frames (`Accept-Encoding`,
`Content-Encoding`), parameters (`param_x`), settings, `default_format`, the summary header, and errors with
ClickHouse's codes.

It has no users, no sessions over several requests and no quotas, and does not verify the checksums of
compressed blocks. A request's body is read whole before the engine sees it, so a client that dies while
sending inserts nothing.

One process owns a data directory. Run it with the Python of .cache/venv:

    clickhouse_http.py --port PORT --data-dir DIR [--workers N]

It prints `ready http://127.0.0.1:PORT` once it answers. SIGTERM ends it after the requests it has begun.
"""

import argparse
import email.parser
import email.policy
import json
import re
import signal
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import lz4.block
import lz4.frame
from chdb.state.sqlitelike import Connection

# URL parameters that belong to the interface; every other one is a setting of the query.
INTERFACE_PARAMETERS = {
    "query", "database", "default_format", "compress", "decompress", "user", "password", "role", "quota_key",
    "query_id", "session_id", "session_timeout", "session_check", "close_session", "stacktrace",
    "enable_http_compression", "http_zlib_compression_level", "wait_end_of_query", "buffer_size",
    "send_progress_in_http_headers",
}

INSERT = re.compile(r"\s*INSERT\s+INTO\b", re.IGNORECASE)
TRAILING_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
TRAILING_VALUES = re.compile(r"\bVALUES\s*\Z", re.IGNORECASE)
ERROR_CODE = re.compile(r"Code: (\d+)")
UNKNOWN_EXCEPTION = 1002

# ClickHouse's own mapping of error codes (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); the rest is 500.
HTTP_STATUS = {
    **dict.fromkeys((6, 25, 26, 27, 36, 38, 41, 42, 43, 44, 53, 62, 72, 117, 131, 321, 376, 386, 456, 457), 400),
    **dict.fromkeys((192, 193, 194, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115, 511), 404),
    **dict.fromkeys((158, 159, 160, 307, 396), 500),
    48: 501,
}

# A native block: 16 bytes of checksum, then method, compressed size (this header included), plain size.
BLOCK_CHECKSUM_SIZE = 16
BLOCK_HEADER = struct.Struct("<BII")
METHOD_NONE, METHOD_LZ4 = 0x02, 0x82


class BadRequest(Exception):
    """A request that the interface itself refuses; the engine never saw it."""


def decompress_blocks(data):
    """Decodes the native compressed blocks that `decompress=1` announces."""
    view, plain, start = memoryview(data), [], 0
    while start < len(view):
        header = start + BLOCK_CHECKSUM_SIZE
        if len(view) < header + BLOCK_HEADER.size:
            raise BadRequest("Code: 432. DB::Exception: compressed block is cut off. (UNKNOWN_COMPRESSION_METHOD)")
        method, size, plain_size = BLOCK_HEADER.unpack_from(view, header)
        payload = view[header + BLOCK_HEADER.size : header + size]
        if len(view) < header + size:
            raise BadRequest("Code: 271. DB::Exception: compressed block is cut off. (CANNOT_DECOMPRESS)")
        if method == METHOD_LZ4:
            plain.append(lz4.block.decompress(payload, uncompressed_size=plain_size))
        elif method == METHOD_NONE:
            plain.append(bytes(payload))
        else:
            raise BadRequest(f"Code: 89. DB::Exception: unknown method {method:#x}. (UNKNOWN_COMPRESSION_METHOD)")
        start = header + size
    return b"".join(plain)


def quoted(value):
    """A string literal of ClickHouse SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def engine_errors(connection):
    """What went wrong since the engine began, by name: code, how often, and the last message."""
    result = connection.query("SELECT name, code, value, last_error_message FROM system.errors", "JSONCompactEachRow")
    rows = (json.loads(line) for line in (result.bytes() or b"").splitlines())
    return {name: (int(code), int(count), message) for name, code, count, message in rows}


class Engine:
    """The data directory, open in this process. One connection stays open to keep it so."""

    def __init__(self, data_dir, workers):
        self._data_dir = data_dir
        self._anchor = Connection(data_dir)
        self._slots = threading.BoundedSemaphore(workers)

    def close(self):
        self._anchor.close()

    def run(self, sql, data, database, settings, parameters, default_format):
        """Answers (body, summary). A connection per request costs 0.2 ms and lets no setting leak."""
        with self._slots:
            connection = Connection(self._data_dir)
            try:
                connection.query("USE `" + database.replace("`", "``") + "`")
                for name, value in settings.items():
                    if not name.isidentifier():
                        raise BadRequest(f"Code: 115. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)")
                    connection.query(f"SET {name} = {quoted(value)}")
                if INSERT.match(sql) and (form := self._insert_form(sql)):
                    return self._insert(connection, *form, data)
                return self._query(connection, sql, data, parameters, default_format)
            finally:
                connection.close()

    @staticmethod
    def _insert_form(sql):
        """Statement and format of an insert whose data comes apart from it."""
        if match := TRAILING_FORMAT.search(sql):
            return sql[: match.start()], match[1]
        if match := TRAILING_VALUES.search(sql):
            return sql[: match.start()], "Values"
        return None

    @staticmethod
    def _insert(connection, statement, data_format, data):
        before = engine_errors(connection)
        inserter = connection.send_insert(statement, data_format)
        try:
            if data:
                inserter.append(data)
            result = inserter.finish()
        finally:
            inserter.cancel()
        # The library does not tell when the engine could not store the rows, on a full disk for example. An error of another
        # query that ended meanwhile is taken for this one's: a client repeats what failed.
        for name, (code, count, message) in engine_errors(connection).items():
            if count > before.get(name, (code, 0, ""))[1] and HTTP_STATUS.get(code, 500) == 500:
                raise RuntimeError(f"Code: {code}. DB::Exception: {message}. ({name})")
        return b"", {"written_rows": str(result.rows_written), "written_bytes": str(result.bytes_written)}

    @staticmethod
    def _query(connection, sql, data, parameters, default_format):
        if data:
            sql += "\n" + data.decode()
        if match := TRAILING_FORMAT.search(sql):
            default_format = match[1]
        result = connection.query(sql, default_format, params=parameters)
        summary = {"read_rows": str(result.rows_read()), "read_bytes": str(result.bytes_read())}
        return result.bytes() or b"", summary


class Handler(BaseHTTPRequestHandler):
    """One client connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def setup(self):
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self):
        self.server.connections.discard(self.connection)
        super().finish()

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, EOFError):
            pass  # The client went away; there is nobody to answer.

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer(read_only=True)

    def do_POST(self):
        self._answer(read_only=False)

    def _answer(self, read_only):
        url = urlsplit(self.path)
        body = self._read_body()
        if url.path in ("/ping", "/replicas_status"):
            return self._reply(200, b"Ok.\n")
        try:
            output, summary = self._execute(dict(parse_qsl(url.query, keep_blank_values=True)), body, read_only)
        except Exception as error:  # Whatever the engine raises becomes its error answer.
            return self._reply_error(str(error))
        return self._reply(200, output, {"X-ClickHouse-Summary": json.dumps(summary)}, compressible=True)

    def _execute(self, url_parameters, body, read_only):
        given = url_parameters
        if self.headers.get_content_type() == "multipart/form-data":
            given.update(self._form_fields(body))
            body = b""
        if self.headers.get("Content-Encoding") == "lz4":
            body = lz4.frame.decompress(body)
        if given.get("decompress") == "1":
            body = decompress_blocks(body)
        sql = given.get("query", "")
        if not sql:
            sql, body = body.decode(), b""
        if not sql.strip():
            raise BadRequest("Code: 62. DB::Exception: Syntax error: Empty query. (SYNTAX_ERROR)")
        settings = {
            name: value for name, value in given.items()
            if name not in INTERFACE_PARAMETERS and not name.startswith("param_")
        }
        if read_only:
            settings["readonly"] = "2"
        return self.server.engine.run(
            sql,
            body,
            given.get("database") or self.headers.get("X-ClickHouse-Database") or "default",
            settings,
            {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")},
            given.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated",
        )

    def _form_fields(self, body):
        head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        return {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
            for part in form.iter_parts()
        }

    def _read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self._read_exactly(int(self.headers.get("Content-Length") or 0))

    def _chunks(self):
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self._read_exactly(size)
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass  # Trailers carry nothing here.

    def _read_exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise EOFError("the body ended early")
        return data

    def _reply_error(self, message):
        match = ERROR_CODE.search(message)
        code = int(match[1]) if match else UNKNOWN_EXCEPTION
        if not match:
            message = f"Code: {code}. DB::Exception: {message}"
        # Up to the code the text speaks of the library.
        message = message[ERROR_CODE.search(message).start() :]
        self._reply(HTTP_STATUS.get(code, 500), message.encode() + b"\n", {"X-ClickHouse-Exception-Code": str(code)})

    def _reply(self, status, body, headers=None, compressible=False):
        self.send_response(status)
        if compressible and body and "lz4" in self.headers.get("Accept-Encoding", ""):
            body = lz4.frame.compress(body)
            self.send_header("Content-Encoding", "lz4")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    """Knows its open connections, so that it can end them."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 256

    def __init__(self, address, engine):
        super().__init__(address, Handler)
        self.engine = engine
        self.connections = set()

    def drain(self):
        """Stops accepting, lets begun requests answer, closes idle connections."""
        self.shutdown()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # It was closing by itself.
        self.server_close()


def main():
    arguments = argparse.ArgumentParser(description="The ClickHouse engine behind ClickHouse's HTTP interface.")
    arguments.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    arguments.add_argument("--data-dir", required=True)
    arguments.add_argument("--workers", type=int, default=4, help="queries that run at the same time")
    given = arguments.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    engine = Engine(given.data_dir, given.workers)
    server = Server(("127.0.0.1", given.port), engine)
    threading.Thread(target=server.serve_forever, name="accept").start()
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
    stop.wait()
    server.drain()
    engine.close()


if __name__ == "__main__":
    main()
