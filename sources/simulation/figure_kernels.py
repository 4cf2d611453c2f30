"""The compiled loop that draws a figure, limb by limb."""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled


@compiled(nogil=True, boundscheck=False)
def draw(image: Any, background: Any, shake_x: float, shake_y: float, limbs: Any, light: float, blur: float) -> None:
    """Fills `image` with the background, shifted by up to MARGIN pixels, and every limb over it.

    Edges are `blur` pixels wide, as a lens makes them; limbs are a little darker towards their rim.
    """
    height, width = image.shape
    at_x, at_y = shake_x + 4.0, shake_y + 4.0
    column, row = int(np.floor(at_x)), int(np.floor(at_y))
    fx, fy = np.float32(at_x - column), np.float32(at_y - row)
    one, half = np.float32(1.0), np.float32(0.5)
    glow = np.float32(light)
    a, b, c, d = (one - fx) * (one - fy) * glow, fx * (one - fy) * glow, (one - fx) * fy * glow, fx * fy * glow
    for i in range(height):
        for j in range(width):
            u, v = i + row, j + column
            image[i, j] = (
                a * background[u, v]
                + b * background[u, v + 1]
                + c * background[u + 1, v]
                + d * background[u + 1, v + 1]
            )
    soft = one / np.float32(blur)
    for k in range(limbs.shape[0]):
        x0, y0, x1, y1 = limbs[k, 0], limbs[k, 1], limbs[k, 2], limbs[k, 3]
        r0, r1 = limbs[k, 4], limbs[k, 5]
        shade, depth, number = limbs[k, 6] * glow, limbs[k, 7], limbs[k, 8]
        reach = max(r0, r1) + np.float32(blur)
        left, right = max(0, int(min(x0, x1) - reach)), min(width - 1, int(max(x0, x1) + reach) + 1)
        top, bottom = max(0, int(min(y0, y1) - reach)), min(height - 1, int(max(y0, y1) + reach) + 1)
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        per = one / max(length, np.float32(1e-6))
        for i in range(top, bottom + 1):
            py = np.float32(i) - y0
            for j in range(left, right + 1):
                px = np.float32(j) - x0
                along = min(max((px * dx + py * dy) * per, np.float32(0.0)), one)
                ex, ey = px - along * dx, py - along * dy
                radius = r0 + along * (r1 - r0)
                square = ex * ex + ey * ey
                outer = radius + np.float32(blur)
                if square >= outer * outer:
                    continue
                distance = np.float32(np.sqrt(square))
                cover = min(max(half + (radius - distance) * soft, np.float32(0.0)), one)
                tone = shade * (one - np.float32(0.25) * min(square / (radius * radius), one))
                if depth > 0.0 and int(along * number) & 1:
                    tone *= one - depth
                image[i, j] += cover * (tone - image[i, j])
