"""The compiled loop that draws a scene, shape by shape."""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

CAPSULE, BOX, ELLIPSE, SHADOW = range(4)
MARGIN = 40  # pixels of the background beyond each edge of the image, for cameras that move


@compiled(nogil=True, boundscheck=False)
def fill(image: Any, background: Any, shake_x: float, shake_y: float, glow: float) -> None:
    """Fills `image` with the background, displaced by up to MARGIN pixels, times `glow`."""
    height, width = image.shape
    column, row = int(np.floor(shake_x)), int(np.floor(shake_y))
    fx, fy = np.float32(shake_x - column), np.float32(shake_y - row)
    column, row = column + MARGIN, row + MARGIN
    one, light = np.float32(1.0), np.float32(glow)
    if fx == 0.0 and fy == 0.0:
        for i in range(height):
            for j in range(width):
                image[i, j] = light * background[i + row, j + column]
        return
    a, b, c, d = (one - fx) * (one - fy) * light, fx * (one - fy) * light, (one - fx) * fy * light, fx * fy * light
    for i in range(height):
        for j in range(width):
            u, v = i + row, j + column
            image[i, j] = (
                a * background[u, v]
                + b * background[u, v + 1]
                + c * background[u + 1, v]
                + d * background[u + 1, v + 1]
            )


@compiled(nogil=True, boundscheck=False)
def draw_shapes(image: Any, rows: Any, order: Any, shake_x: float, shake_y: float, glow: float, blur: float) -> None:
    """Draws the shapes of one moment over `image`, in the given order.

    A row is kind, three points (px), light, depth and two numbers of a pattern, width of the soft edge beyond `blur`
    (px), distance (m). A capsule has its ends and, as third point, the radii there; a box and an ellipse have their
    centre and two half axes, which need not be at right angles. A shadow is a box that multiplies the light behind it.
    """
    height, width = image.shape
    one, half, zero = np.float32(1.0), np.float32(0.5), np.float32(0.0)
    for at in range(order.shape[0]):
        k = order[at]
        light = rows[k, 7]
        if light <= 0.0:
            continue
        kind = int(rows[k, 0])
        x0, y0 = rows[k, 1] - np.float32(shake_x), rows[k, 2] - np.float32(shake_y)
        bx, by, cx, cy = rows[k, 3], rows[k, 4], rows[k, 5], rows[k, 6]
        shade, depth, along_n, across_n = light * np.float32(glow), rows[k, 8], rows[k, 9], rows[k, 10]
        width_px = np.float32(blur) + rows[k, 11]
        soft = one / width_px
        if kind == CAPSULE:
            dx, dy = bx - rows[k, 1], by - rows[k, 2]
            x1, y1 = x0 + dx, y0 + dy
            if max(cx, cy) < 0.02:
                continue
            reach = max(cx, cy) + width_px
            left, right = max(0, int(min(x0, x1) - reach)), min(width - 1, int(max(x0, x1) + reach) + 1)
            top, bottom = max(0, int(min(y0, y1) - reach)), min(height - 1, int(max(y0, y1) + reach) + 1)
            per = one / max(dx * dx + dy * dy, np.float32(1e-6))
            for i in range(top, bottom + 1):
                py = np.float32(i) - y0
                for j in range(left, right + 1):
                    px = np.float32(j) - x0
                    along = min(max((px * dx + py * dy) * per, zero), one)
                    ex, ey = px - along * dx, py - along * dy
                    radius = max(cx + along * (cy - cx), np.float32(0.01))
                    square = ex * ex + ey * ey
                    outer = radius + width_px
                    if square >= outer * outer:
                        continue
                    cover = min(max(half + (radius - np.float32(np.sqrt(square))) * soft, zero), one)
                    tone = shade * (one - np.float32(0.25) * min(square / (radius * radius), one))
                    if depth > 0.0:
                        aside = (ex * dy - ey * dx) * np.float32(np.sqrt(per)) / radius + one
                        if (int(along * along_n) + int(aside * across_n)) & 1:
                            tone *= one - depth
                    image[i, j] += cover * (tone - image[i, j])
            continue
        det = bx * cy - by * cx
        long_b, long_c = np.float32(np.sqrt(bx * bx + by * by)), np.float32(np.sqrt(cx * cx + cy * cy))
        if abs(det) < np.float32(0.05) * max(long_b, long_c) + np.float32(1e-6):
            continue  # seen from the edge
        inverse, high_b, high_c = one / det, abs(det) / long_c, abs(det) / long_b
        wide, high = abs(bx) + abs(cx) + width_px, abs(by) + abs(cy) + width_px
        left, right = max(0, int(x0 - wide)), min(width - 1, int(x0 + wide) + 1)
        top, bottom = max(0, int(y0 - high)), min(height - 1, int(y0 + high) + 1)
        for i in range(top, bottom + 1):
            py = np.float32(i) - y0
            for j in range(left, right + 1):
                px = np.float32(j) - x0
                u, v = (px * cy - py * cx) * inverse, (bx * py - by * px) * inverse
                if kind == ELLIPSE:
                    inside = (one - np.float32(np.sqrt(u * u + v * v))) * min(high_b, high_c)
                else:
                    inside = min((one - abs(u)) * high_b, (one - abs(v)) * high_c)
                cover = min(max(half + inside * soft, zero), one)
                if cover == zero:
                    continue
                if kind == SHADOW:
                    image[i, j] *= one - cover * (one - light)
                    continue
                tone = shade
                if depth > 0.0 and (int((u + one) * along_n * half) + int((v + one) * across_n * half)) & 1:
                    tone *= one - depth
                image[i, j] += cover * (tone - image[i, j])
