# The Python server to compare with: FastAPI as one writes it for speed, without models of pydantic, with orjson both ways.
# MODEL_PATH says what it serves; requests and answers have the form of the Open Inference Protocol.

import os

import numpy
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

DATATYPES = {
    "BOOL": numpy.bool_,
    "UINT8": numpy.uint8,
    "INT32": numpy.int32,
    "INT64": numpy.int64,
    "FP32": numpy.float32,
    "FP64": numpy.float64,
}
NAMES = {numpy.dtype(dtype): name for name, dtype in DATATYPES.items()}


def make_session():
    options = onnxruntime.SessionOptions()
    # One thread for each of the workers, of which there are as many as cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"])


session = make_session()
output_names = [output.name for output in session.get_outputs()]
app = FastAPI()


@app.post("/v2/models/{name}/infer")
async def infer(name: str, request: Request):
    body = orjson.loads(await request.body())
    feeds = {
        tensor["name"]: numpy.asarray(tensor["data"], dtype=DATATYPES[tensor["datatype"]]).reshape(tensor["shape"])
        for tensor in body["inputs"]
    }
    # Inside the event loop: handing it to a thread costs a small model more than its run.
    outputs = session.run(None, feeds)
    answer = {
        "model_name": name,
        "outputs": [
            {"name": output, "datatype": NAMES[value.dtype], "shape": value.shape, "data": value.ravel()}
            for output, value in zip(output_names, outputs)
        ],
    }
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
