// Tests of images and commands.

import { describe, expect, test } from "vitest";
import { resolveImageCommand } from "./image-command.ts";

const images = { "plimsoll/server:dev": ["node", "/src/main.ts"] };

describe("resolveImageCommand", () => {
  test.each([
    ["without command and args the image's words", {}, ["node", "/src/main.ts"]],
    ["args follow the image's words", { args: ["--name", "$(NAME)"] }, ["node", "/src/main.ts", "--name", "resnet"]],
    ["command replaces the image's words", { command: ["sh", "-c"], args: ["true"] }, ["sh", "-c", "true"]],
    ["the image's words are not expanded", { command: [] }, ["node", "/src/main.ts"]],
  ])("%s", (_sentence, container, argv) => {
    const command = resolveImageCommand({ name: "c", image: "plimsoll/server:dev", ...container }, images, {
      NAME: "resnet",
    });
    expect(command).toEqual({ argv });
  });

  test("an image that is not in the table is named with those that are, even with a command", () => {
    const command = resolveImageCommand({ name: "c", image: "nginx", command: ["nginx"] }, images, {});
    expect(command).toEqual({
      unknownImage:
        'no local command stands for image "nginx": a process node runs images from its table only (plimsoll/server:dev)',
    });
  });
});
