"""What a reader's eyes and a screen reader get of a page: contrast, and what does not fit."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# Colours are painted and read back, so that every notation a browser knows is understood; each
# background is painted over those behind it. The ratio is that of WCAG 2.2, "relative luminance".
CONTRASTS = """
() => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext('2d', {willReadFrequently: true});
  const paint = (...colours) => {
    brush.fillStyle = '#fff';
    brush.fillRect(0, 0, 1, 1);
    for (const each of colours) { brush.fillStyle = each; brush.fillRect(0, 0, 1, 1); }
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const card of document.querySelectorAll('.tdb')) {
    const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent.trim(), own = walker.currentNode.parentElement;
      if (!text || own.localName === 'style' || !own.checkVisibility()) continue;
      const behind = [];
      for (let each = own; each; each = each.parentElement) behind.unshift(getComputedStyle(each).backgroundColor);
      const [a, b] = [light(paint(...behind)), light(paint(...behind, getComputedStyle(own).color))];
      found.push({text, ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)});
    }
  }
  return found;
}
"""
CUT_OFF = """
() => [...document.querySelectorAll('.tdb, .tdb *')]
  .filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
  .filter(each => getComputedStyle(each).display !== 'inline')
  .filter(each => !each.matches('.tdb-excerpt pre'))  // a line with a caret scrolls by itself
  .map(each => `${each.localName}.${each.className}: ${each.scrollWidth} in ${each.clientWidth}`)
"""
AA = 4.5


def pale(page: Page) -> list[dict[str, Any]]:
    """Return the texts of cards whose contrast is less than WCAG's AA asks of small text."""
    found = page.evaluate(CONTRASTS)
    assert found, "no card, no text: nothing was measured"
    return [each for each in found if each["ratio"] < AA]


def cut_off(page: Page) -> list[str]:
    """Return the parts of cards that are wider than their place."""
    return list(page.evaluate(CUT_OFF))
