"""The proxies that are compared, and the upstream behind them: their configuration and how they start.

`plain` forwards everything. `work` does what the gateway does as far as the peer can: 100 routes on 10 hosts, a key out of
10,000 that must be known, a limit per key, one JSON line per request.
"""

import glob
import json
import os

KEYS, HOSTS, ROUTES = 10_000, 10, 10
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NGINX = "/usr/sbin/nginx"


def host(number):
    return f"api{number:07}.execute-api.localhost"


def key(number):
    return f"tg_live_{number:08}_0123456789abcdef0123"


def _nginx(directory, name, workers, http):
    """Writes a configuration and answers the command that runs it."""
    temporary = "".join(
        f"{kind}_temp_path {directory}/{name}-{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = f"{directory}/{name}.conf"
    with open(path, "w") as file:
        file.write(
            f"worker_processes {workers};\ndaemon off;\npid {directory}/{name}.pid;\n"
            f"error_log {directory}/{name}.err error;\nevents {{ worker_connections 4096; }}\n"
            f"http {{\n{temporary}keepalive_timeout 600s;\nkeepalive_requests 1000000000;\ntcp_nodelay on;\n"
            f"server_names_hash_bucket_size 128;\n{http}\n}}\n"
        )
    return [NGINX, "-c", path]


def upstream(directory, port, body_bytes):
    """nginx that answers every path with `body_bytes` bytes, kept in memory or in the page cache."""
    if body_bytes <= 4096:
        answer = f'location / {{ default_type application/json; return 200 "{"x" * body_bytes}"; }}'
    else:
        with open(f"{directory}/body", "w") as file:
            file.write("x" * body_bytes)
        answer = (
            f"root {directory}; sendfile on; open_file_cache max=10; default_type application/json;\n"
            "location / { try_files /body =404; }"
        )
    return _nginx(
        directory, f"upstream-{port}", 1, f"access_log off;\nserver {{ listen 127.0.0.1:{port} backlog=4096; {answer} }}"
    )


_PASS = (
    'proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; '
    "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
)


def _backend(port):
    return f"upstream backend {{ server 127.0.0.1:{port}; keepalive 512; keepalive_requests 1000000000; }}\n"


def nginx_plain(directory, port, upstream_port, workers):
    http = (
        f"access_log off;\n{_backend(upstream_port)}"
        f"server {{ listen 127.0.0.1:{port} reuseport; location / {{ {_PASS} }} }}"
    )
    return _nginx(directory, f"nginx-plain-{port}", workers, http)


def nginx_work(directory, port, upstream_port, workers):
    name = f"nginx-work-{port}"
    with open(f"{directory}/{name}.keys", "w") as file:
        file.writelines(f"{key(number)} key{number};\n" for number in range(KEYS))
    fields = {
        "at": "$msec", "id": "$request_id", "host": "$host", "key": "$caller", "method": "$request_method",
        "path": "$uri", "status": "$status", "bytes": "$body_bytes_sent", "seconds": "$request_time",
        "upstream": "$upstream_response_time", "client": "$remote_addr",
    }
    servers = ""
    for number in range(HOSTS):
        checks = 'if ($caller = "") { return 403; } limit_req zone=per_key burst=100000 nodelay;'
        routes = "".join(
            f'location /prod/res{route}/ {{ {checks} {_PASS} proxy_set_header X-Api-Key ""; }}\n' for route in range(ROUTES)
        )
        reuse = " reuseport" if number == 0 else ""
        servers += (
            f"server {{ listen 127.0.0.1:{port}{reuse}; server_name {host(number)};\n"
            f"{routes}location / {{ return 404; }} }}\n"
        )
    http = (
        f"map_hash_max_size 65536; map_hash_bucket_size 128;\n"
        f'map $http_x_api_key $caller {{ default ""; include {directory}/{name}.keys; }}\n'
        "limit_req_zone $caller zone=per_key:16m rate=100000r/s;\n"
        f"log_format record escape=json '{json.dumps(fields)}';\n"
        f"access_log {directory}/{name}.log record buffer=64k flush=1s;\n{_backend(upstream_port)}{servers}"
    )
    return _nginx(directory, name, workers, http)


def _envoy(directory, port, upstream_port, workers, work):
    kind = "type.googleapis.com/envoy.extensions.filters.http"
    route = {"cluster": "backend", "timeout": "30s"}
    filters, log = [], []
    name = f"envoy-{'work' if work else 'plain'}-{port}"
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]
    if work:
        bucket = {"max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "1s"}
        always = {"default_value": {"numerator": 100}}
        filters = [
            {
                "name": "envoy.filters.http.api_key_auth",
                "typed_config": {
                    "@type": f"{kind}.api_key_auth.v3.ApiKeyAuth",
                    "credentials": [{"key": key(number), "client": f"key{number}"} for number in range(KEYS)],
                    "key_sources": [{"header": "x-api-key"}],
                    "forwarding": {"header": "x-client-id", "hide_credentials": True},
                },
            },
            {
                "name": "envoy.filters.http.local_ratelimit",
                "typed_config": {
                    "@type": f"{kind}.local_ratelimit.v3.LocalRateLimit",
                    "stat_prefix": "per_key",
                    "token_bucket": bucket,
                    "filter_enabled": always,
                    "filter_enforced": always,
                    "max_dynamic_descriptors": 2 * KEYS,
                    "rate_limits": [
                        {"actions": [{"request_headers": {"header_name": "x-client-id", "descriptor_key": "client"}}]}
                    ],
                    "descriptors": [{"entries": [{"key": "client"}], "token_bucket": bucket}],
                },
            },
        ]
        hosts = [
            {
                "name": host(number),
                "domains": [host(number)],
                "routes": [{"match": {"prefix": f"/prod/res{at}/"}, "route": route} for at in range(ROUTES)],
            }
            for number in range(HOSTS)
        ]
        log = [
            {
                "name": "records",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": f"{directory}/{name}.log",
                    "log_format": {
                        "json_format": {
                            "at": "%START_TIME(%s%6f)%", "id": "%REQ(X-REQUEST-ID)%", "host": "%REQ(:AUTHORITY)%",
                            "key": "%REQ(X-CLIENT-ID)%", "method": "%REQ(:METHOD)%", "path": "%REQ(:PATH)%",
                            "status": "%RESPONSE_CODE%", "bytes": "%BYTES_SENT%", "ms": "%DURATION%",
                            "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                        }
                    },
                },
            }
        ]
    filters.append({"name": "envoy.filters.http.router", "typed_config": {"@type": f"{kind}.router.v3.Router"}})
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "codec_type": "HTTP1",
        "use_remote_address": True,
        "generate_request_id": work,
        "route_config": {"name": "routes", "virtual_hosts": hosts},
        "http_filters": filters,
        "access_log": log,
    }

    def address(at):
        return {"socket_address": {"address": "127.0.0.1", "port_value": at}}

    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    most = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096}
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [most]},
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream_port)}}]}],
        },
    }
    listener = {"name": "in", "address": address(port), "filter_chains": [chain]}
    path = f"{directory}/{name}.json"
    with open(path, "w") as file:
        json.dump({"static_resources": {"listeners": [listener], "clusters": [cluster]}}, file)
    # The executable itself: the script beside it would be a process more.
    (envoy,) = glob.glob(f"{ROOT}/.cache/loadtests/venv/lib/python3*/site-packages/envoy/_bin/envoy")
    return [envoy, "-c", path, "--concurrency", str(workers), "-l", "error", "--base-id", str(port)]


def envoy_plain(directory, port, upstream_port, workers):
    return _envoy(directory, port, upstream_port, workers, work=False)


def envoy_work(directory, port, upstream_port, workers):
    return _envoy(directory, port, upstream_port, workers, work=True)
