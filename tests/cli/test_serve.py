#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""resnet serve, asked over HTTP by Python's own modules; and by tritonclient and
prometheus_client, where they are installed."""
import base64
import concurrent.futures
import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse

F_OFD_SETLK = 37

SOURCE, BUILD = os.environ["RN_SOURCE"], os.environ["RN_BUILD"]
PROGRAM = BUILD + "/resnet"
PICTURES = pathlib.Path(SOURCE, "tests/fuzz/corpus/image")
JPEG = (PICTURES / "jpeg").read_bytes()
PNG = (PICTURES / "png-palette4-alpha").read_bytes()
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "2", "NO_COLOR": "1"}
tests = []


def test(function):
    tests.append(function)
    return function


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], env=ENVIRONMENT,
                          capture_output=True, text=True, timeout=120)


def fails(status, message, *arguments, port=0):
    result = run("serve", *arguments, "--port", port)
    assert result.returncode == status, (status, result)
    assert message in result.stderr, (message, result.stderr)


class Server:
    all = []

    def __init__(self, *arguments):
        self.messages = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", *map(str, arguments)],
            env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=self.messages)
        Server.all.append(self)
        self.port = int(self.wait_for(r"listening at http://.*:(\d+)/"))

    def said(self):
        self.messages.seek(0)
        return self.messages.read()

    def wait_for(self, pattern):
        for _ in range(1200):
            found = re.search(pattern, self.said())
            if found:
                return found.group(found.re.groups)
            assert self.process.poll() is None, self.said()
            time.sleep(0.05)
        raise AssertionError(f"no {pattern} in {self.said()}")

    def ask(self, path, body=None, method=None, **headers):
        """Status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 60)
        with contextlib.closing(connection):
            connection.request(
                method or ("GET" if body is None else "POST"), path, body,
                {name.replace("_", "-"): value
                 for name, value in headers.items()},
                encode_chunked="Transfer_Encoding" in headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(self, path, body=None, status=200, **headers):
        got, _, answer = self.ask(path, body, **headers)
        assert got == status, (path, got, answer[:500])
        return json.loads(answer)

    def error(self, status, words, path, body=None, **headers):
        answer = self.json(path, body, status, **headers)
        assert words in answer["error"], (words, answer)

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def raw(self, data):
        """What comes until the server closes."""
        with self.socket() as s:
            try:
                s.sendall(data)
                return b"".join(iter(lambda: s.recv(65536), b""))
            except ConnectionError:
                return b""

    def has_streams(self, count):
        for _ in range(400):
            if f"resnet_streams {count}\n" in self.ask("/metrics")[2].decode():
                return
            time.sleep(0.05)
        raise AssertionError(f"never {count} streams")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        # sooner than the deadline of whatever was left half done
        assert self.process.wait(25) == 0, self.said()


@contextlib.contextmanager
def serving(*arguments):
    server = Server(*arguments)
    try:
        yield server
        server.stop()
    finally:
        server.process.kill()
        server.process.wait()


def form(*files):
    body = b"".join(
        b"--xx\r\nContent-Disposition: form-data; name=\"image\"; filename=\""
        + name.encode() + b"\"\r\n\r\n" + data + b"\r\n"
        for name, data in files) + b"--xx--\r\n"
    return body, {"Content_Type": "multipart/form-data; boundary=xx"}


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@test
def refused_at_the_start(model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        fails(1, "Address already in use", model,
              port=taken.getsockname()[1])
    fails(2, "are both called last", model, model)
    fails(2, "is no name for a model", f"a b={model}")
    fails(3, "", "nix=" + str(PICTURES / "text"))
    fails(2, "--streams: 3, of 2 threads", model, "--streams", "3")
    fails(2, "its first line is no token", model, "--token", "/dev/null")
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("Bearer secret\n")
        file.flush()
        fails(2, "its first line is no token", model, "--token", file.name)
    fails(1, "cannot find", model, "--host", "no.such.host.invalid")
    fails(2, "MODEL is missing, and there is no --runs")
    fails(1, "cannot read folder '/no/folder'", "--runs", "/no/folder")
    fails(2, "--features is of models", "--runs", "/", "--features", "pool")


@test
def answers_as_predict(model):
    files = [str(PICTURES / name) for name in (
        "jpeg", "png-palette4-alpha", "webp-alpha", "jpeg-orientation-6")]
    want = lines(run("predict", model, *files, "--json").stdout)
    with serving(f"a={model}", f"b={model}", "--max-batch", "4") as server:
        bodies = [pathlib.Path(file).read_bytes() for file in files]
        got = [server.json("/predict/a", body) for body in bodies]
        for one, other in zip(got, want):
            assert {**one, "file": other["file"]} == other, (one, other)
        # the same bits whatever they are computed beside
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for i, answer in enumerate(pool.map(
                    lambda i: server.json(f"/predict/{'ab'[i // 2 % 2]}",
                                          bodies[i % 4]), range(160))):
                assert answer == got[i % 4], (i, answer, got[i % 4])
        body, headers = form(*((pathlib.Path(file).name, data)
                               for file, data in zip(files, bodies)),
                             ("no\"picture", b"text"))
        status, _, text = server.ask("/predict/b", body, **headers)
        together = lines(text)
        assert status == 200 and len(together) == 5
        for one, other in zip(together, want):
            assert one["top"] == other["top"]
        assert together[1]["file"] == "png-palette4-alpha"
        assert "error" in together[4], together[4]
        assert len(server.json("/predict/a?top=2", JPEG)["top"]) == 2
        painted = server.json("/predict/a?cam=1&class=1", JPEG)
        assert painted["cam_class"] == 1
        start = "data:image/png;base64,"
        assert painted["cam"].startswith(start)
        png = base64.b64decode(painted["cam"][len(start):])
        assert server.json("/predict/a", png)["top"]
        names = [m["name"] for m in server.json("/models")["models"]]
        assert names == ["a", "b"]


@test
def computes_half_of_what_is_there(model):
    body, headers = form(*16 * [("a.jpg", JPEG)])
    with serving(f"m={model}", "--threads", "2", "--streams", "2",
                 "--max-batch", "16", "--max-delay", "5000") as server:
        assert len(lines(server.ask("/predict/m", body, **headers)[2])) == 16
        text = server.ask("/metrics")[2].decode()
        sizes = dict(re.findall(r"^resnet_batch_images_(\S+?) (\d+)$", text,
                                re.M))
        assert sizes['sum{model="m"}'] == "16", sizes
        # of two streams each a quarter
        assert (sizes['bucket{model="m",le="4"}'] ==
                sizes['count{model="m"}']), sizes


@test
def errors_have_a_status_and_a_sentence(model):
    with serving(f"m={model}", "--max-body", "1", "--queue", "3") as server:
        error = server.error
        error(404, "no model 'x'", "/predict/x", JPEG)
        error(404, "no such path", "/nothing")
        error(405, "takes POST", "/predict/m")
        error(405, "takes GET", "/health", b"")
        error(400, "body is empty", "/predict/m", b"")
        error(422, "request body", "/predict/m", b"no picture")
        error(422, "request body", "/predict/m", JPEG[:-100])
        huge = (PICTURES / "png-huge").read_bytes()
        error(422, "", "/predict/m", huge)
        error(400, "'size' is not known", "/predict/m?size=3", JPEG)
        error(400, "not a number from 1", "/predict/m?top=none", JPEG)
        error(400, "class: 99", "/predict/m?cam=1&class=99", JPEG)
        error(400, "which cam=1 asks for", "/predict/m?class=1", JPEG)
        error(400, "'top' is given twice", "/predict/m?top=1&top=2", JPEG)
        error(400, "'cam' is given twice", "/predict/m?cam=0&cam=1", JPEG)
        error(404, "--features STAGE", "/features/m", JPEG)
        error(413, "--max-body 1", "/predict/m", bytes(1000001))
        error(413, "--max-body 1", "/predict/m", iter([bytes(600000)] * 2),
              Transfer_Encoding="chunked")
        body, headers = form(*4 * [("a.jpg", JPEG)])
        error(400, "more than 3 parts", "/predict/m", body, **headers)
        error(400, "ends early", "/predict/m", body[:500], **headers)
        error(400, "without a boundary", "/predict/m", body,
              Content_Type="multipart/form-data")
        error(415, "gzip", "/predict/m", JPEG, Content_Encoding="gzip")
        error(421, "evil.example", "/models", Host="evil.example:80")
        error(403, "evil.example", "/models", Origin="http://evil.example")
        assert server.ask("/models", Host="localhost")[0] == 200
        host = f"127.0.0.1:{server.port}"
        assert server.ask("/models", Origin="http://" + host)[0] == 200
        status, headers, _ = server.ask("/predict/m", method="OPTIONS")
        assert status == 204 and "POST" in headers["Allow"]
        assert server.ask("/health", method="HEAD")[2] == b""
        assert server.json("/predict/m", iter([JPEG[:100], JPEG[100:]]),
                           Transfer_Encoding="chunked")["top"]
        # what a proxy may read otherwise
        error(400, "zero byte", "/health%00x")
        error(400, "zero byte", "/predict/m?top=1%00", JPEG)
        for headers, words in (
                (b"Content-Length: 3\r\nContent-Length: 5", b"not clear"),
                (b"Transfer-Encoding: chunked\r\nContent-Length: 5",
                 b"not clear"),
                (b"Content-Length : 5", b"name is not one"),
                (b"Transfer-Encoding\t: chunked", b"name is not one"),
                (b"X: 1\r\n Content-Length: 5", b"name is not one"),
                (b"Host: evil.example\r\nContent-Length: 3", b"Host is there")):
            answer = server.raw(
                b"POST /predict/m HTTP/1.1\r\nHost: localhost\r\n" + headers +
                b"\r\n\r\n0\r\n\r\n")
            assert b" 400 " in answer and words in answer, (headers, answer)
            assert b"Connection: close" in answer, answer
        for encoding in b"gzip, chunked", b"identity", b"xchunked", (
                b"chunked\r\nTransfer-Encoding: identity"):
            answer = server.raw(
                b"POST /predict/m HTTP/1.1\r\nHost: localhost\r\n"
                b"Transfer-Encoding: " + encoding + b"\r\n\r\n")
            assert b" 501 " in answer and b"close" in answer, answer
        answer = server.raw(b"GET /health HTTP/1.1\r\n\r\n")
        assert b" 400 " in answer and b"Host is missing" in answer, answer
        assert b" 200 " in server.raw(b"GET /health HTTP/1.0\r\n\r\n")
        # what HTTP itself forbids
        start = b"POST /predict/m HTTP/1.1\r\nHost: localhost\r\n"
        answer = server.raw(start + b"X: " + b"x" * 1000000 + b"\r\n\r\n")
        assert not answer or b" 431 " in answer, answer
        with server.socket() as s:
            s.sendall(start + b"Content-Length: 1000\r\n\r\nshort")
        for garbage in b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", (
                start + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with server.socket() as s:
                s.sendall(garbage)
        halves = [server.socket() for _ in range(100)]
        assert server.json("/predict/m", JPEG)["top"]
        for half in halves:
            half.close()
        # a full queue
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            for status, headers, _ in pool.map(
                    lambda _: server.ask("/predict/m", JPEG), range(96)):
                assert status == 200 or (
                    status == 503 and headers["Retry-After"] == "1"), status


def tensor(name, kind, shape, **members):
    return {"name": name, "datatype": kind, "shape": shape, **members}


@test
def speaks_open_inference(model):
    with serving(f"m={model}") as server:
        assert server.json("/v2")["name"] == "resnet"
        assert server.json("/v2/health/live") == {"live": True}
        assert server.json("/v2/health/ready") == {"ready": True}
        assert server.json("/v2/models/m/ready")["ready"]
        about = server.json("/v2/models/m")
        assert about == server.json("/v2/models/m/versions/1")
        assert about["inputs"][1]["shape"] == [-1, 1, 8, 8]
        infer = "/v2/models/m/infer"
        top = server.json("/predict/m", JPEG)["top"]
        text = base64.b64encode(JPEG).decode()
        answer = server.json(infer, json.dumps({
            "id": "7", "inputs": [tensor("image", "BYTES", [2],
                                         data=[text, text])]}))
        assert answer["id"] == "7" and answer["model_name"] == "m"
        logits, probabilities = answer["outputs"]
        assert logits["shape"] == [2, 4] and logits["name"] == "logits"
        assert probabilities["data"][:4] == probabilities["data"][4:]
        assert probabilities["data"][top[0]["index"]] == top[0]["probability"]
        # binary in, binary out
        binary = struct.pack("<I", len(JPEG)) + JPEG
        header = json.dumps({"inputs": [tensor(
            "image", "BYTES", [1], parameters={"binary_data_size":
                                               len(binary)})],
            "outputs": [{"name": "probabilities",
                         "parameters": {"binary_data": True}}]}).encode()
        status, headers, body = server.ask(
            infer, header + binary,
            Inference_Header_Content_Length=str(len(header)))
        assert status == 200, body
        length = int(headers["Inference-Header-Content-Length"])
        assert json.loads(body[:length])["outputs"][0]["shape"] == [1, 4]
        values = struct.unpack("<4f", body[length:])
        for one, other in zip(values, probabilities["data"]):
            assert abs(one - other) < 1e-8
        numbers = [float(i % 7) / 7 for i in range(128)]
        flat = server.json(infer, json.dumps({"inputs": [tensor(
            "input", "FP32", [2, 1, 8, 8], data=numbers)]}))
        half = server.json(infer, json.dumps({"inputs": [tensor(
            "input", "FP32", [1, 1, 8, 8], data=numbers[64:])]}))
        assert flat["outputs"][0]["data"][4:] == half["outputs"][0]["data"]

        def wrong(words, status=400, **members):
            server.error(status, words, infer, json.dumps(members))

        server.error(400, "malformed JSON", infer, b"{")
        server.error(400, "malformed JSON", infer, b"")
        server.error(400, "5000", infer, b"{}",
                     Inference_Header_Content_Length="5000")
        for length in "-1", "+2", "-18446744073709551614":
            server.error(400, "no number of bytes", infer, b"{}",
                         Inference_Header_Content_Length=length)
        wrong("0 inputs", inputs=[])
        wrong("'id|inputs' is not known", inputs=[], **{"id|inputs": 1})
        wrong("'sequence_id'", inputs=[], parameters={"sequence_id": 1})
        wrong("'x' is not known", inputs=[tensor("x", "FP32", [1])])
        wrong("datatype 'INT8'", inputs=[tensor("input", "INT8", [1, 1, 8, 8])])
        wrong("shape is not [N, 1, 8, 8]",
              inputs=[tensor("input", "FP32", [1, 3, 8, 8], data=[])])
        wrong("expected 1 to 128",
              inputs=[tensor("input", "FP32", [2**40, 1, 8, 8], data=[])])
        wrong("fewer than the 64", inputs=[tensor("input", "FP32",
                                                  [1, 1, 8, 8], data=[1])])
        wrong("not finite", inputs=[tensor("input", "FP32", [1, 1, 8, 8],
                                           data=[1e300] * 64)])
        wrong("base64", inputs=[tensor("image", "BYTES", [1], data=["?"])])
        wrong("'labels' is not known", inputs=[], outputs=[{"name": "labels"}])
        wrong("", 422, inputs=[tensor("image", "BYTES", [1], data=["AAAA"])])
        server.error(404, "no model", "/v2/models/x/infer", b"{}")
        server.error(404, "", "/v2/models/m/versions/2")
        triton(server, probabilities["data"][:4])


def triton(server, want):
    try:
        import numpy
        import tritonclient.http as client
    except ImportError:
        print("# no tritonclient: asked by Python's own modules alone")
        return
    c = client.InferenceServerClient(f"127.0.0.1:{server.port}")
    assert c.is_server_live() and c.is_server_ready() and c.is_model_ready("m")
    assert c.get_model_metadata("m")["platform"] == "resnet"
    for binary in True, False:
        image = client.InferInput("image", [1], "BYTES")
        image.set_data_from_numpy(numpy.array([JPEG], dtype=object))
        outputs = [client.InferRequestedOutput("probabilities",
                                               binary_data=binary)]
        result = c.infer("m", [image], outputs=outputs)
        assert numpy.allclose(result.as_numpy("probabilities")[0], want)
        numbers = client.InferInput("input", [3, 1, 8, 8], "FP32")
        numbers.set_data_from_numpy(
            numpy.zeros((3, 1, 8, 8), numpy.float32), binary_data=binary)
        assert c.infer("m", [numbers]).as_numpy("logits").shape == (3, 4)
    try:
        c.infer("m", [client.InferInput("other", [1], "FP32")])
        raise AssertionError("taken")
    except client.InferenceServerException as refused:
        assert "other" in str(refused)


SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? '
                    r'[0-9.e+-]+\Z')


@test
def counts_and_describes(model):
    folder = pathlib.Path(model).parent
    with serving(f"m={model}", "--features", "pool", "--log", "json", "--runs",
                 folder) as server:
        row = server.json("/features/m", JPEG)
        assert row["shape"] == [64, 1, 1] and len(row["features"]) == 64
        for _ in range(3):
            server.json("/predict/m", JPEG)
        server.error(404, "", "/x%20y")
        text = server.ask("/metrics")[2].decode()
        for line in text.splitlines():
            assert line.startswith("# ") or SAMPLE.match(line), line
        for line in ('resnet_requests_total{path="/predict/{name}",'
                     'status="200"} 3', 'resnet_images_total{model="m"} 4',
                     'resnet_errors_total{path="other"} 1',
                     'resnet_queue_images 0',
                     'resnet_batch_images_count{model="m"} 4'):
            assert line + "\n" in text, (line, text)
        try:
            from prometheus_client.parser import text_string_to_metric_families
            assert len(list(text_string_to_metric_families(text))) >= 12
        except ImportError:
            print("# no prometheus_client: its parser was not asked")
        described = server.json("/openapi.json")
        for path, methods in described["paths"].items():
            if path == "/events":
                continue  # it does not end
            at = path.replace("{name}", "m").replace("{version}", "1").replace(
                "{run}", folder.name)
            for method in methods:
                status = server.ask(at, b"" if method == "post" else None)[0]
                assert status == (400 if method == "post" else 200), path
        sources = pathlib.Path(SOURCE, "cli/serve/routes.c").read_text()
        routes = set(re.findall(r'\{"(?:GET|POST)", +"([^"]*)"', sources))
        assert routes == set(described["paths"])
        log = [json.loads(line) for line in server.said().splitlines()
               if line.startswith("{")]
        assert log[0]["target"] == "/features/m" and log[0]["status"] == 200


@test
def asks_for_a_token(model):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("secret\nsecond line\n")
        file.flush()
        with serving(f"m={model}", "--token", file.name, "--allow-origin",
                     "https://app.example", "--allow-host",
                     "a.example") as server:
            for path in "/", "/page.css", "/page.js", "/runs.js", "/health":
                status, headers, _ = server.ask(path)
                assert status == 200
                assert "default-src 'none'" in headers["Content-Security-Policy"]
            for path in "/models", "/runs", "/runs/x", "/events":
                status, headers, body = server.ask(path)
                assert status == 401, path
                assert headers["WWW-Authenticate"] == "Bearer"
            server.error(404, "--runs FOLDER", "/runs",
                         Authorization="Bearer secret")
            server.error(404, "--runs FOLDER", "/events",
                         Authorization="Bearer secret")
            server.error(401, "right one", "/x", Authorization="Bearer secre")
            server.error(401, "right one", "/predict/m", JPEG,
                         Authorization="Basic secret")
            assert server.json("/predict/m", JPEG,
                               Authorization="Bearer secret")["top"]
            status, headers, _ = server.ask(
                "/predict/m", method="OPTIONS", Origin="https://app.example")
            assert status == 204
            assert headers["Access-Control-Allow-Origin"] == (
                "https://app.example")
            assert server.ask("/health", Host="A.example:80")[0] == 200
            assert server.ask("/health", Origin="https://b.example")[0] == 403


@test
def lives_and_ends(model):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "m.safetensors")
        good = pathlib.Path(model).read_bytes()
        file.write_bytes(good)
        server = Server(file, "--deadline", "4")
        want = server.json("/predict/m", JPEG)
        assert b"resnet_reloads_total 0\n" in server.ask("/metrics")[2]
        assert "anew" not in server.said(), server.said()
        file.write_bytes(good[:-10])
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("still serves")
        assert server.json("/predict/m", JPEG) == want
        file.write_bytes(good)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("loaded anew")
        assert server.json("/predict/m", JPEG) == want
        head = (b"POST /predict/m HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n" % len(JPEG))
        # a body that does not come to its end
        began = time.monotonic()
        with server.socket() as slow:
            slow.sendall(head + JPEG[:10])
            assert slow.recv(100) == b""
        assert 1 < time.monotonic() - began < 20
        # what came before SIGTERM is answered, what comes later is not
        with server.socket() as early:
            early.sendall(head + JPEG[:10])
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            for _ in range(100):
                time.sleep(0.02)
                try:
                    server.socket().close()
                except ConnectionRefusedError:
                    break
            else:
                raise AssertionError("still takes connections")
            early.sendall(JPEG[10:])
            answer = b"".join(iter(lambda: early.recv(65536), b""))
        assert b" 200 " in answer and b"Connection: close" in answer
        assert server.process.wait(60) == 0, server.said()
        # nor is waited for a request that libmicrohttpd had no room for
        server = Server(file, "--deadline", "60")
        query = b"&".join(b"a%d=1" % i for i in range(1500))
        server.raw(b"GET /?" + query + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.stop()
        # or for models that are still to be loaded
        server = Server(*(f"m{i}={file}" for i in range(60)))
        for number in signal.SIGHUP, signal.SIGTERM:
            server.process.send_signal(number)
            time.sleep(0.1)
        assert server.process.wait(25) == 0, server.said()
        assert "not waited for" not in server.said(), server.said()
        # a second signal waits for nobody
        server = Server(file, "--deadline", "60")
        with server.socket() as early, server.socket() as other:
            early.sendall(head + JPEG[:10])
            for _ in range(50):
                other.sendall(head + JPEG)
            for _ in range(2):
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.1)
            assert server.process.wait(25) == 0, server.said()
        # but says so to those whose work it has begun
        server = Server(file, "--deadline", "60")
        body, headers = form(*128 * [("a.jpg", JPEG)])
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.ask, "/predict/m?cam=1", body, **headers)
            while b'images_total{model="m"} 0\n' in server.ask("/metrics")[2]:
                time.sleep(0.01)
            for _ in range(2):
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.01)
            status, _, answer = asked.result()
            assert status == 200 or b"the server ends" in answer, answer
            assert server.process.wait(25) == 0, server.said()


@test
def takes_the_socket_of_systemd(model):
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        print("# no systemd-socket-activate: its socket was not taken")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # it hands on no environment but what it is told: sanitizers' options, too
    handed = [f"-E{name}={value}" for name, value in ENVIRONMENT.items()
              if name.endswith("SAN_OPTIONS") or name.startswith("OMP_")]
    process = subprocess.Popen(
        [activate, *handed, "-l", f"127.0.0.1:{port}", PROGRAM, "serve",
         f"m={model}"], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):  # it begins to listen, then starts us
            time.sleep(0.05)
            with contextlib.suppress(ConnectionRefusedError):
                connection = http.client.HTTPConnection("127.0.0.1", port, 60)
                connection.request("GET", "/health")
                break
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(25) == 0
    finally:
        process.kill()
        process.wait()


class Run:
    """A run folder as training makes it; its log is written here."""

    def __init__(self, folder, iterations=100, **options):
        self.folder = folder
        self.at = 0
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({
            "iterations": iterations, "network": {"net": "resnet20",
                                                  "params": 269722},
            "options": {"lr": 0.1, "seed": 1, **options},
            "data": {"validation": 0}}))

    def log(self, *lines):
        with open(self.folder / "log.jsonl", "a") as file:
            file.writelines(line + "\n" for line in lines)

    def report(self, count=1, **values):
        for _ in range(count):
            self.at += 1
            self.log(json.dumps({"iteration": self.at, "loss": 2 / self.at,
                                 "train_error": 90 / self.at, "lr": 0.1,
                                 "images_per_second": 100, **values}))

    @contextlib.contextmanager
    def trained(self):
        """Locked as a process that trains does."""
        with open(self.folder / "log.jsonl", "a") as file:
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(file, F_OFD_SETLK, lock)
            yield


class Events:
    """A page that watches: what it was told, by name of the run."""

    def __init__(self, server, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port,
                                                     20)
        self.connection.request("GET", "/events", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.runs, self.names, self.folder = {}, {}, None

    def next(self):
        text = b""
        while not text.endswith(b"\n\n"):
            line = self.answer.readline()
            assert line, "the stream has ended"
            text += line
        if text == b":\n\n":
            return
        event, data = text.decode().rstrip("\n").split("\n")
        data = json.loads(data.removeprefix("data: "))
        if event == "event: folder":
            self.folder = data
        elif event == "event: gone":
            del self.runs[self.names[data["id"]]]
        else:
            self.names[data["id"]] = data["name"]
            curves = data.pop("curves")
            run = self.runs.setdefault(data["name"], {"curves": {}})
            run.update(data)
            for name, piece in curves.items():
                run["curves"].setdefault(name, [])[piece["from"]:] = (
                    piece["points"])

    def until(self, is_so):
        while not is_so(self):
            self.next()

    def close(self):
        self.answer.close()
        self.connection.close()


@test
def watches_runs(model):
    trained = pathlib.Path(model).parent
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as end:
        folder, outside = pathlib.Path(name, "runs"), pathlib.Path(name, "out")
        shutil.copytree(trained, folder / "study/done")
        lone = Run(folder / "a <b>\"&' \udcff", patience=0)
        lone.report(3, test_error=50.0)
        lone.log("{broken", '{"iteration": 2}', "[]", '{"iteration": "x"}',
                 '{"iteration": 101}', '{"iteration": 4, "gradients": {}}',
                 "x" * 1500000)
        lone.report(1, loss=None, train_error=None)
        long = Run(folder / "long", iterations=10000)
        long.report(5000)
        (folder / "bad").mkdir()
        (folder / "bad/run.json").write_text("{")
        Run(outside / "secret").report()
        (folder / "linked").symlink_to(outside / "secret")
        for file in "run.json", "log.jsonl":
            (folder / file[:3]).mkdir()
            (folder / file[:3] / file).symlink_to(outside / "secret" / file)
        shutil.copy(outside / "secret/run.json", folder / "log")
        os.mkfifo(folder / "log/confusion.csv")
        live = Run(folder / "live", lr=0.2)
        live.report(2)
        lock = end.enter_context(contextlib.ExitStack())
        lock.enter_context(live.trained())
        server = end.enter_context(serving("--runs", folder, "--connections",
                                           "8", "--deadline", "2"))
        assert server.json("/models") == {"models": [], "features": None,
                                          "runs": True}
        runs = {run["name"]: run for run in server.json("/runs")["runs"]}
        odd = "a <b>\"&' ?"
        assert set(runs) == {"study/done", odd, "long", "bad", "live", "log"}
        states = {name: run["state"] for name, run in runs.items()}
        assert states == {"study/done": "finished", odd: "stopped",
                          "long": "stopped", "bad": "broken",
                          "live": "training", "log": "stopped"}, states
        assert "run.json" in runs["bad"]["error"]
        assert "log.jsonl" in runs["log"]["error"]
        assert runs[odd]["broken_lines"] == 6, runs[odd]
        assert runs[odd]["iteration"] == 4 and runs[odd]["loss"] is None
        assert runs[odd]["best_error"] == 50 == runs[odd]["test_error"]
        one = server.json("/runs/" + urllib.parse.quote(odd))
        assert [p[0] for p in one["curves"]["loss"]] == [1, 2, 3]
        curve = server.json("/runs/long")["curves"]["loss"]
        assert 200 <= len(curve) <= 400 and abs(curve[-1][0] - 5000) < 20
        assert abs(curve[1][1] - sum(2 / i for i in range(17, 33)) / 16) < 1e-6
        one = server.json("/runs/log")
        assert one["confusion"].startswith("confusion.csv: ")
        assert one["mistakes"] is None and one["options"]["seed"] == 1
        for path in ("/runs/linked", "/runs/../out/secret", "/runs/run",
                     "/runs/%2e%2e/out/secret", "/runs/live/log.jsonl"):
            server.error(404, "there is no run", path)
        assert server.ask("/runs", method="HEAD")[2] == b""
        assert server.ask("/events", method="HEAD")[0] == 200
        # what eval leaves in the folder
        files = [folder / "study/done" / file
                 for file in ("confusion.csv", "mistakes.html")]
        made = run("eval", trained, "synthetic:1x8x8:4:64", "--confusion",
                   files[0], "--mistakes", files[1])
        assert made.returncode == 0, made
        one = server.json("/runs/study%2Fdone")
        counts, mistakes = one["confusion"]["counts"], one["mistakes"]
        wrong = sum(n for i, row in enumerate(counts)
                    for k, n in enumerate(row) if i != k)
        assert wrong == mistakes["wrong"] == len(mistakes["shown"]) > 0, one
        assert mistakes["images"] == sum(map(sum, counts))
        assert re.fullmatch(r"\d \(\d\) [\d.]+\u202f%", mistakes["shown"][0][
            "answer"]), mistakes["shown"][0]
        assert mistakes["shown"][0]["picture"].startswith("data:image/png")
        for file, text in zip(files, ("label\\answer,0\n0,x\n", "<h1>x</h1>")):
            file.write_text(text)
            assert "none that resnet eval writes" in server.json(
                "/runs/study/done")[file.stem]
        # as it goes
        page = Events(server)
        end.callback(page.close)
        page.until(lambda page: page.folder)
        assert page.folder["count"] == 6 and page.folder["error"] is None
        assert page.runs["live"]["options"]["lr"] == 0.2
        assert page.runs["long"]["curves"]["loss"] == curve
        assert "log.jsonl" in page.runs["log"]["error"]
        live.report(2, test_error=40.0)
        # what could not be read is there after all
        (folder / "log/log.jsonl").unlink()
        (folder / "log/log.jsonl").write_text('{"iteration": 7}\n')
        page.until(lambda page: page.runs["live"]["iteration"] == 4
                   and page.runs["log"]["iteration"] == 7)
        assert page.runs["live"]["curves"]["test_error"] == [[3, 40], [4, 40]]
        assert page.runs["log"]["error"] is None
        # cut back and written anew, as --resume does, at once
        log = folder / "live/log.jsonl"
        log.write_text(log.read_text().split("\n")[0] + "\n")
        live.at = 1
        live.report(5, test_error=30.0)
        (folder / "log/log.jsonl").unlink()
        page.until(lambda page: page.runs["live"]["iteration"] == 6
                   and page.runs["log"]["iteration"] == 0)
        assert page.runs["log"]["changed"] == 0
        assert len(page.runs["live"]["curves"]["loss"]) == 6
        assert page.runs["live"]["best_error"] == 30
        long.report(3000)
        page.until(lambda page: page.runs["long"]["iteration"] == 8000)
        assert (page.runs["long"]["curves"]["loss"] ==
                server.json("/runs/long")["curves"]["loss"])
        Run(folder / "study/new")
        page.until(lambda page: "study/new" in page.runs)
        shutil.rmtree(folder / "study")
        page.until(lambda page: "study/done" not in page.runs)
        folder.rename(outside / "moved")
        page.until(lambda page: not page.runs and page.folder["error"])
        (outside / "moved").rename(folder)
        page.until(lambda page: len(page.runs) == 5)
        # no more than a quarter of the connections
        other = Events(server)
        server.error(503, "2 pages watch already", "/events")
        other.close()
        # a page that does not read
        for i in range(20):
            shutil.copytree(folder / "long", folder / f"copy{i}")
        page.until(lambda page: len(page.runs) == 25)
        server.has_streams(1)
        with socket.socket() as stuck:
            # so that little of it fits into the system's buffers
            stuck.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect(("127.0.0.1", server.port))
            stuck.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            server.has_streams(2)
            server.has_streams(1)
        # those who left have made no error
        text = server.ask("/metrics")[2].decode()
        assert 'resnet_errors_total{path="/events"} 1\n' in text, text
        # the end of the process that trains, and of the server
        assert page.runs["live"]["state"] == "training"
        lock.close()
        page.until(lambda page: page.runs["live"]["state"] == "stopped")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0, server.said()


@test
def watches_those_of_many_that_changed_last(model):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        runs = [Run(folder / f"{i // 100}/{i}") for i in range(1003)]
        for i, each in enumerate(runs):
            each.report()
            os.utime(each.folder / "log.jsonl", (2000000000 - i,) * 2)
        with serving("--runs", folder) as server:
            told = server.json("/runs")
            names = {run["name"] for run in told["runs"]}
            assert names == {f"{i // 100}/{i}" for i in range(1000)}
            assert told["error"].startswith("3 of 1003 runs are left out"), told
            runs[1001].report()
            os.utime(runs[1001].folder / "log.jsonl", (2000000001,) * 2)
            for _ in range(100):
                time.sleep(0.2)
                now = {run["name"] for run in server.json("/runs")["runs"]}
                if now != names:
                    break
            assert now - names == {"10/1001"} and names - now == {"9/999"}, (
                now - names, names - now)


@test
def says_that_it_reads_a_long_log(model):
    with tempfile.TemporaryDirectory() as name:
        one = Run(pathlib.Path(name, "one"))
        one.report()
        one.log(*70 * [json.dumps({"iteration": 1, "gradients": "x" * 10**6})])
        one.report()
        with serving("--runs", name) as server:
            told = server.json("/runs")["runs"][0]
            assert (told["state"], told["iteration"]) == ("reading", 1), told
            for _ in range(100):
                time.sleep(0.2)
                told = server.json("/runs")["runs"][0]
                if told["state"] != "reading":
                    break
            # it did not grow: it was written before our time
            assert (told["state"], told["iteration"]) == ("stopped", 2), told


@contextlib.contextmanager
def hung(folder):
    """A file system over the folder that never answers, as one of a network whose
    server is gone: nobody serves it."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    with contextlib.ExitStack() as end:
        end.callback(os.close, device)
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
        if libc.mount(b"hung", os.fsencode(folder), b"fuse",
                      ctypes.c_ulong(0), options.encode()):
            raise OSError(ctypes.get_errno(), "mount")
        end.callback(libc.umount2, os.fsencode(folder), 2)  # MNT_DETACH
        yield


@test
def ends_though_a_disk_does_not_answer(model):
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as end:
        folder = pathlib.Path(name)
        Run(folder / "run").report()
        shutil.copy(model, folder / "m.safetensors")
        servers = [Server(folder / "m.safetensors", "--runs", folder,
                          "--deadline", "6") for _ in range(2)]
        for server in servers:
            end.callback(server.process.kill)
            assert server.json("/runs")["runs"][0]["name"] == "run"
        time.sleep(1)  # what was looked at is fresh no more
        try:
            end.enter_context(hung(folder))
        except OSError as error:
            print(f"# no file system that hangs: {error}")
            return
        watches, reloads = servers
        watches.error(504, "--deadline", "/runs")
        reloads.process.send_signal(signal.SIGHUP)
        for server in servers:
            assert server.json("/predict/m", JPEG)["top"]
            server.process.send_signal(signal.SIGTERM)
        for server in servers:
            assert server.process.wait(15) == 0, server.said()
            assert "not waited for" in server.said()
        # nor does one that begins (one by one: FUSE lets others wait unkillably)
        loads = subprocess.Popen([PROGRAM, "serve", "--port", "0",
                                  folder / "m.safetensors"],
                                 env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        end.callback(loads.kill)
        time.sleep(1)
        loads.send_signal(signal.SIGTERM)
        assert loads.wait(15) == -signal.SIGTERM


class Browser:
    """Chromium without a window, asked over a pipe."""

    def __init__(self, program, folder):
        asked, self.ask_end = os.pipe()
        self.said = tempfile.TemporaryFile("w+")
        self.answer_end, answered = os.pipe()
        self.process = subprocess.Popen(
            # not sh: dash knows no descriptor of two digits
            ["bash", "-c", f"exec \"$@\" 3<&{asked} 4>&{answered}", "bash",
             program,
             "--headless=new", "--no-sandbox", "--disable-gpu",
             "--remote-debugging-pipe", f"--user-data-dir={folder}"],
            pass_fds=(asked, answered), stderr=self.said)
        os.close(asked)
        os.close(answered)
        self.buffer, self.number, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")
        self.session = self.call("Target.attachToTarget", flatten=True,
                                 targetId=target["targetId"])["sessionId"]

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.ask_end, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.buffer:
                more = os.read(self.answer_end, 65536)
                assert more, self.end()
                self.buffer += more
            text, self.buffer = self.buffer.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def end(self):
        """What became of a browser that answers no more."""
        status = self.process.wait(10)
        self.said.seek(0)
        return f"the browser ended with {status}: {self.said.read()[-2000:]}"

    def value(self, script):
        result = self.call("Runtime.evaluate", expression=script)
        return result["result"].get("value")

    def wait_for(self, script):
        for _ in range(400):
            if self.value(script):
                return
            time.sleep(0.05)
        raise AssertionError(
            f"never {script}: {self.value('document.body.innerText')}")

    def choose(self, *files):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="#files")
        self.call("DOM.setFileInputFiles", nodeId=node["nodeId"],
                  files=list(map(str, files)))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ask_end)
        os.close(self.answer_end)
        self.said.close()


@test
def page_in_a_browser(model):
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program or os.environ.get("RN_TEST_FAST"):
        print("# no chromium, or RN_TEST_FAST: the page was not tried")
        return
    with tempfile.TemporaryDirectory(
            ignore_cleanup_errors=True) as folder, contextlib.ExitStack() as end:
        token = pathlib.Path(folder, "token")
        token.write_text("secret")
        done, live = pathlib.Path(folder, "runs/done"), Run(
            pathlib.Path(folder, "runs/<i>live</i>"), lr=0.2)
        shutil.copytree(pathlib.Path(model).parent, done)
        assert run("eval", done, "synthetic:1x8x8:4:64", "--confusion",
                   done / "confusion.csv", "--mistakes",
                   done / "mistakes.html").returncode == 0
        live.report(3)
        server = end.enter_context(serving(f"one={model}", f"two={model}",
                                           "--token", token, "--runs",
                                           done.parent))
        browser = Browser(program, folder + "/profile")
        end.callback(browser.close)
        browser.call("Page.navigate", url=f"http://127.0.0.1:{server.port}/")
        browser.wait_for("document.getElementById('ask')?.open")
        browser.value("document.getElementById('token').value = 'secret';"
                      "document.querySelector('#ask form').requestSubmit()")
        browser.wait_for("document.querySelectorAll('#models input').length == 2")
        browser.choose(PICTURES / "jpeg", PICTURES / "text")
        browser.wait_for("document.querySelectorAll('li').length == 8")
        browser.wait_for("document.querySelector('.map').src"
                         ".startsWith('data:image/png')")
        browser.wait_for("document.querySelectorAll('.note:not([hidden])')"
                         ".length == 2")
        assert "'text' is not a picture" in browser.value(
            "document.querySelector('.card:nth-child(2)').innerText")
        top = server.json("/predict/one", JPEG,
                          Authorization="Bearer secret")["top"][0]
        assert browser.value("document.querySelector('.share').innerText"
                             ).startswith(f"{100 * top['probability']:.1f}")
        browser.value("document.getElementById('clear').click()")
        assert browser.value("document.querySelectorAll('#cards *').length") == 0
        # the runs below
        text = "document.querySelector('#run-rows').innerText"
        browser.wait_for("document.querySelectorAll('#run-rows tr').length == 2")
        assert "<i>live</i>" in browser.value(text)
        assert browser.value("[...document.querySelectorAll('#run-head th')]"
                             ".some(cell => cell.innerText == 'lr')")
        browser.wait_for("document.querySelectorAll('#chart polyline').length")
        live.report(1, test_error=12.5)
        browser.wait_for(text + ".includes('12.50 %')")
        browser.value("document.querySelectorAll('#run-rows button')[1].click()")
        browser.wait_for("document.querySelectorAll('.matrix td.right').length")
        browser.wait_for("document.querySelector('.mistakes img').naturalWidth")
        assert browser.value("document.activeElement.id") == "run-title"
        browser.value("document.getElementById('run-close').click()")
        assert browser.value("document.activeElement.innerText") == "done"
        shutil.rmtree(live.folder)
        browser.wait_for("document.querySelectorAll('#run-rows tr').length == 1")
        assert browser.value("document.getElementById('status').innerText"
                             ) == "<i>live</i> is gone"


def main():
    if "built without its server" in run("serve", "x").stderr:
        print("1..0 # SKIP built without libmicrohttpd")
        return 0
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        trained = run("train", "synthetic:1x8x8:4:64", "--net", "resnet8",
                      "--out", folder + "/run", "--batch", "16",
                      "--iterations", "5", "--augment", "none")
        assert trained.returncode == 0, trained.stderr
        for i, function in enumerate(tests, 1):
            name = function.__name__.replace("_", " ")
            try:
                function(folder + "/run/last.safetensors")
                print(f"ok {i} - {name}", flush=True)
            except Exception as error:
                at = error.__traceback__
                while at.tb_next:
                    at = at.tb_next
                print(f"not ok {i} - {name}\n# line {at.tb_lineno}: "
                      f"{type(error).__name__} {error}", flush=True)
                failed = 1
            for server in Server.all:  # of a test that failed
                server.process.kill()
    return failed


sys.exit(main())
