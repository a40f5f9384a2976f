// What is wrong with the page that is open, by kind: each a list of texts, empty where all is well.
() => {
  const found = { sideways: [], clipped: [], covered: [], pale: [], broken: [], slid: [] };
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) found.sideways.push(`${root.scrollWidth} > ${innerWidth}`);
  const visible = (one) => one.checkVisibility({ checkVisibilityCSS: true }) && one.getClientRects().length > 0;
  const text = (one) => one.textContent.trim().slice(0, 40);

  // The first column stays where it is while a table is scrolled.
  for (const region of document.querySelectorAll(".scroll")) {
    if (!visible(region)) continue;
    const cell = region.querySelector("tbody td:first-child");
    if (!cell || region.scrollWidth <= region.clientWidth + 1) continue;
    region.scrollLeft = region.scrollWidth;
    const gap = cell.getBoundingClientRect().left - region.getBoundingClientRect().left;
    if (Math.abs(gap) > 1.5) found.slid.push(`${text(cell)}: ${gap}`);
    if (cell.getBoundingClientRect().width > 0.6 * region.clientWidth) found.slid.push(`wide: ${text(cell)}`);
    region.scrollLeft = 0;
  }

  // No cell and no line of text is wider than its place.
  for (const one of document.querySelectorAll("td,th,dd,dt,p,li,h1,h2,h3,button,figcaption,span.name")) {
    if (!visible(one) || one.closest(".sr") || one.matches(".sr")) continue;
    const box = one.getBoundingClientRect();
    if (one.scrollWidth > Math.ceil(box.width) + 1 && getComputedStyle(one).display !== "inline") found.clipped.push(text(one));
    if (!one.closest(".scroll") && box.width && (box.left < -0.5 || box.right > innerWidth + 0.5)) found.clipped.push(`out: ${text(one)}`);
  }

  // In a chart every text is inside the drawing, and none lies on another.
  for (const svg of document.querySelectorAll("figure svg")) {
    if (!visible(svg)) continue;
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter((one) => one.textContent.trim() && !one.getAttribute("stroke") && getComputedStyle(one).opacity !== "0");
    const boxes = texts.map((one) => one.getBoundingClientRect());
    boxes.forEach((box, index) => {
      if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 3 || box.bottom > frame.bottom + 3) found.clipped.push(`chart: ${text(texts[index])}`);
      for (let other = 0; other < index; other++) {
        const two = boxes[other];
        const wide = Math.min(box.right, two.right) - Math.max(box.left, two.left);
        const high = Math.min(box.bottom, two.bottom) - Math.max(box.top, two.top);
        if (wide > 1.5 && high > 4) found.covered.push(`${text(texts[index])} | ${text(texts[other])}`);
      }
      if (parseFloat(getComputedStyle(texts[index]).fontSize) * frame.width / svg.viewBox.baseVal.width < 8.5) found.pale.push(`small: ${text(texts[index])}`);
    });
  }

  // Text is legible: WCAG 2.2, 1.4.3 asks for 4.5 to 1.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const parts = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (one, two) => {
    const [a, b] = [light(one), light(two)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return parts(getComputedStyle(document.body).backgroundColor);
  };
  const seen = new Set();
  for (const one of document.querySelectorAll("body *:not(script):not(style)")) {
    const own = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !visible(one) || one.closest(".sr")) continue;
    const style = getComputedStyle(one);
    if (one.namespaceURI.endsWith("svg") && one.getAttribute("stroke")) continue;
    const colour = one.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const back = behind(one);
    const key = `${colour} ${back}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (ratio(parts(colour), back) < 4.5) found.pale.push(`${text(one)}: ${ratio(parts(colour), back).toFixed(2)}`);
  }
  // Marks of a chart: 1.4.11 asks for 3 to 1.
  const paper = parts(getComputedStyle(document.body).backgroundColor);
  for (const role of ["a", "b", "c", "d", "bad", "good"]) {
    const colour = getComputedStyle(root).getPropertyValue(`--${role}`);
    if (ratio(parts(colour), paper) < 2.99) found.pale.push(`--${role}: ${ratio(parts(colour), paper).toFixed(2)}`);
  }

  // A name is broken at a separator: the character before every new line of it is one.
  for (const one of document.querySelectorAll("td:first-child,span.name,.answer p,.place,.single .v")) {
    if (!visible(one)) continue;
    const walker = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
    let before = "", bottom = null;
    const range = document.createRange();
    while (walker.nextNode()) {
      const node = walker.currentNode;
      for (let at = 0; at < node.data.length; at++) {
        range.setStart(node, at);
        range.setEnd(node, at + 1);
        const box = range.getBoundingClientRect();
        if (bottom !== null && box.width && box.top > bottom - 2 && !/[\/\-–:_.\s|!,=)>\]]$/.test(before) && !/^\S{20,}/.test(one.textContent.split(/[\/\-:_ ]/).sort((x, y) => y.length - x.length)[0])) {
          found.broken.push(text(one));
          break;
        }
        if (box.width) bottom = box.bottom;
        if (box.width || /\s/.test(node.data[at])) before = node.data[at];
      }
    }
  }
  return found;
}
