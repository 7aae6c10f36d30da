// Small charts of numbers over time, as SVG with words for those who do not see it.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 48;

// Numbers of the last `size` seconds, the newest last; null where there was none.
export class Series {
  constructor(size) {
    this.size = size;
    this.numbers = [];
  }

  add(number) {
    this.numbers.push(number);
    if (this.numbers.length > this.size) {
      this.numbers.shift();
    }
  }

  peak() {
    return this.numbers.reduce((peak, number) => Math.max(peak, number ?? 0), 0);
  }

  // The least and the most of what there is, and how many there are.
  span() {
    const known = this.numbers.filter((number) => number !== null);
    return { least: Math.min(...known), most: Math.max(...known), count: known.length };
  }
}

// An empty chart, to be drawn into.
export function chart() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("class", "chart");
  for (const part of ["area", "line", "ground"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", part);
    svg.append(path);
  }
  svg.lastChild.setAttribute("d", `M0 ${HEIGHT - 0.5}H${WIDTH}`);
  return svg;
}

// Draws a series into a chart; `words` says a number, and `name` what it is.
export function draw(svg, series, name, words) {
  const { numbers, size } = series;
  const top = series.peak() || 1;
  const x = (at) => (((at + size - numbers.length) / (size - 1)) * WIDTH).toFixed(1);
  const y = (number) => (HEIGHT - 1 - (number / top) * (HEIGHT - 4)).toFixed(1);
  let line = "";
  let area = "";
  let start = null;
  numbers.forEach((number, at) => {
    if (number === null) {
      start = null;
      return;
    }
    line += `${start === null ? "M" : "L"}${x(at)} ${y(number)}`;
    area += start === null ? `M${x(at)} ${HEIGHT}L${x(at)} ${y(number)}` : `L${x(at)} ${y(number)}`;
    start ??= at;
    const next = numbers[at + 1];
    if (next === undefined || next === null) {
      area += `L${x(at)} ${HEIGHT}Z`;
    }
  });
  svg.querySelector(".line").setAttribute("d", line);
  svg.querySelector(".area").setAttribute("d", area);
  const { least, most, count } = series.span();
  const label = count
    ? `Chart of ${name} in the last ${count} seconds: between ${words(least)} and ${words(most)}`
    : `Chart of ${name}: no numbers yet`;
  svg.setAttribute("aria-label", label);
}
