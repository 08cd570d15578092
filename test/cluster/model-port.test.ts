// Paths of the port that leads to Services.

import { expect, test } from "vitest";
import { parseServicePath } from "./model-port.ts";

test.each([
  [
    "/vision/resnet-predictor/v2/health/ready?x=1",
    { namespace: "vision", name: "resnet-predictor", rest: "/v2/health/ready?x=1" },
  ],
  ["/vision/resnet-predictor", { namespace: "vision", name: "resnet-predictor", rest: "/" }],
  ["/vision/resnet-predictor/", { namespace: "vision", name: "resnet-predictor", rest: "/" }],
  ["/", undefined],
  ["/vision", undefined],
  ["/../secrets/x", undefined],
  ["/Vision/resnet/", undefined],
])("%s", (path, expected) => {
  expect(parseServicePath(path)).toEqual(expected);
});
