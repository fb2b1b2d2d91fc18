"""JupyterLab in a headless Chromium, driven by playwright, over a copy of the notebooks.

The fixture `desk` in conftest.py starts both and loads the page; where one is missing, tests are skipped or
fail. `with desk.open("1_async_execution") as notebook:` gives a `Notebook`, open in that page.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import course

ROOT = Path(__file__).parents[1]
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge", "msedge")
PATIENCE = 120  # seconds for JupyterLab to start, and to open a notebook, on a busy machine
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

# Lab's settings are those that learners get; nothing is saved.
SETTINGS = {**course.SETTINGS, "@jupyterlab/docmanager-extension:plugin": {"autosave": False}}

# What JupyterLab writes in the place of a widget that it cannot show.
WIDGET_ERRORS = ("Error displaying widget", "Error creating widget", "model not found", "Loading widget")


class Missing(Exception):
    """The tests cannot run here. The message says what to install."""


# --- The browser


def find_chromium(playwright) -> str:
    """The path of a Chromium, Chrome or Edge.

    That is one on PATH, else one that is installed, else the one that playwright has downloaded.
    Raises Missing if there is none.
    """
    found = [path for path in map(shutil.which, COMMANDS) if path]
    places = [*usual_places(sys.platform, os.environ), Path(playwright.chromium.executable_path)]
    found += [str(path) for path in places if path.exists()]
    if not found:
        raise Missing(
            "they need Chromium, Chrome or Edge: `apt install chromium` on Debian; "
            f"on Ubuntu, macOS and Windows `{sys.executable} -m playwright install chromium`"
        )
    return found[0]


def usual_places(platform: str, environ: Mapping[str, str]) -> list[Path]:
    """Where the installers of macOS and Windows put a browser; PATH does not lead there.

    platform: as sys.platform. environ: the environment variables, which say where Windows has its programs.
    """
    if platform == "darwin":
        names = ("Chromium", "Google Chrome", "Microsoft Edge")
        folders = ("/Applications", Path("~/Applications").expanduser())
        return [Path(folder, f"{name}.app/Contents/MacOS/{name}") for folder in folders for name in names]
    if platform == "win32":
        names = ("Chromium", "Google/Chrome", "Microsoft/Edge")
        folders = [environ.get(name) for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")]
        programs = [Path(folder, name, "Application") for folder in folders if folder for name in names]
        return [program / name for program in programs for name in ("chrome.exe", "msedge.exe")]
    return []


@contextmanager
def running_playwright():
    """Inside the block, playwright runs, and with it an event loop in this thread: asyncio.run is refused.

    Raises Missing if playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise Missing(f"they need playwright: `{sys.executable} -m pip install playwright`") from None
    with sync_playwright() as playwright:
        yield playwright


@contextmanager
def running_browser(path: str):
    """Inside the block, the Chromium at `path` runs, without a window."""
    with running_playwright() as playwright:
        options = ["--disable-gpu", "--disable-background-networking"]
        if AS_ROOT:
            options.append("--no-sandbox")  # Chromium has no sandbox for root
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            _close(browser)


def _close(what) -> None:
    """Close a browser or a part of it. After Ctrl-C they are gone already."""
    from playwright.sync_api import Error

    try:
        what.close()
    except Error:
        pass


# --- The server


@contextmanager
def running_lab(folder: Path, notebooks: Path = ROOT / "notebooks"):
    """Inside the block, JupyterLab serves a copy of `notebooks`. Gives a `Lab`.

    folder: an empty one. The copy is in it, and all that JupyterLab and its kernels write.
    At the end the server stops, and its kernels with it, even if this process is killed.
    """
    shutil.copytree(notebooks, folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    (folder / "defaults").mkdir()
    (folder / "defaults" / "overrides.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    command = [sys.executable, "-c", _SERVER, "--no-browser", *["--allow-root"] * AS_ROOT]
    command += [
        "--LabApp.expose_app_in_browser=True",  # as window.jupyterapp
        "--ServerApp.terminals_enabled=False",
        f"--ServerApp.port={_free_port()}",  # two that look for one at the same moment find the same
        f"--ServerApp.root_dir={folder / 'notebooks'}",
        f"--LabApp.app_settings_dir={folder / 'defaults'}",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    environment |= {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    with open(folder / "log", "wb") as log:
        # In a session of its own it does not get a Ctrl-C, which would stop it before the browser.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield Lab(folder, _address(process, folder))
    finally:
        process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# JupyterLab that stops when its standard input ends: when it is closed, or the process at its other end dies.
_SERVER = """
import os, signal, sys, threading
from jupyterlab.labapp import main

def stop():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=stop, daemon=True).start()
main()
"""


def _address(process: subprocess.Popen, folder: Path) -> dict:
    """The server's address and token, which it writes down, once it takes connections."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        for path in folder.glob("runtime/jpserver-*.json"):
            try:
                server = json.loads(path.read_text(encoding="utf-8"))
                with socket.create_connection((server["hostname"], server["port"]), timeout=PATIENCE):
                    return server
            except (ValueError, OSError):
                pass  # half written, or it does not listen yet
        time.sleep(0.05)
    log = (folder / "log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"JupyterLab does not start:\n{log[-3000:]}")


class Lab:
    """A running JupyterLab. notebooks: the folder that it serves; more may be written into it."""

    def __init__(self, folder: Path, server: dict):
        self.notebooks = folder / "notebooks"
        self._server = server

    def address(self) -> str:
        """Of JupyterLab, with nothing open. The token in it gives the page a cookie.

        Without one, every page in every browser could run code.
        """
        return f"{self._server['url']}lab?reset&token={self._server['token']}"


# --- The page


class Desk:
    """A page with JupyterLab, in which one notebook after another is open.

    page: playwright's. errors: what went wrong in it so far: errors that no script caught, and what was
    reported to the console as an error. That includes files that cannot be loaded. Nothing is left out, for
    JupyterLab 4.6 reports no error when all is well.
    """

    def __init__(self, lab: Lab, browser):
        self.notebooks = lab.notebooks
        self.errors: list[str] = []
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US").new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        self._load(lab.address())

    def _load(self, address: str) -> None:
        """Load JupyterLab; once more if it does not come, as when a busy machine has lost a file of it."""
        from playwright.sync_api import Error

        for is_last in (False, True):
            try:
                self.page.goto(address)
                self.page.wait_for_function("window.jupyterapp?.restored")
                self.page.evaluate("jupyterapp.restored.then(() => null)")
                return
            except Error:  # a TimeoutError is one, too
                if is_last:
                    raise

    def _note(self, message) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    @contextmanager
    def open(self, name: str):
        """Inside the block, the notebook `name` (a path, without .ipynb) is open.

        Gives a `Notebook`. It is not trusted, nothing of it has run, and its kernel is ready. Lab has its
        light theme. At the end the kernel is shut down.
        """
        notebook = Notebook(name, self)
        self.page.evaluate(_OPEN, f"{name}.ipynb")
        try:
            yield notebook
        finally:
            notebook.close()

    def close(self) -> None:
        _close(self.page.context)


# The kernel has been asked something and has answered, so it is ready.
_OPEN = """async (path) => {
    const widget = await jupyterapp.commands.execute("docmanager:open", {path});
    await widget.context.ready;
    await widget.revealed;
    await widget.sessionContext.ready;
    await widget.sessionContext.session.kernel.info;
}"""


# --- A notebook in a page


class Notebook:
    """A notebook that is open in JupyterLab. name: without .ipynb. page: playwright's."""

    def __init__(self, name: str, desk: Desk):
        self.name = name
        self.page = desk.page
        self._errors, self._earlier = desk.errors, len(desk.errors)

    @property
    def errors(self) -> list[str]:
        """What went wrong in the page since the notebook was opened; see `Desk`."""
        return self._errors[self._earlier :]

    def cells(self) -> list[dict]:
        """The cells as they are now, in the form in which a notebook file has them."""
        return self.page.evaluate(
            "jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.toJSON())"
        )

    def run_all(self, timeout: float = 180) -> None:
        """Clear all outputs, Run All, and wait until every cell has ended or was given up after an error.

        timeout: in seconds, for the whole notebook. Raises AssertionError that names the cell that still
        runs then.
        """
        from playwright.sync_api import TimeoutError

        self.page.evaluate(_RUN_ALL)
        try:
            self.page.wait_for_function("window.allHasRun", timeout=timeout * 1000)
        except TimeoutError:
            cell = next(
                (cell for cell in self.cells() if is_unfinished(cell)), {"source": "(all have ended)"}
            )
            raise AssertionError(
                f"{self.name}: Run All has not ended after {timeout} s; it is at this cell:\n{cell['source']}"
            ) from None
        self.wait_until("!outputs.some(output => output.innerText.includes('Loading widget'))")

    def cell_errors(self) -> list[str]:
        """What went wrong in cells that are not tagged raises-exception, and which did not run."""
        found = []
        for cell in self.cells():
            if cell["cell_type"] != "code" or not cell["source"].strip():
                continue
            errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
            meant = "raises-exception" in cell["metadata"].get("tags", ())
            found += [
                f"{each['ename']}: {each['evalue']}, in:\n{cell['source']}" for each in errors if not meant
            ]
            if is_unfinished(cell):
                found.append(f"not run:\n{cell['source']}")
        return found

    def set_theme(self, theme: str) -> None:
        """Choose a theme: "JupyterLab Light" or "JupyterLab Dark"."""
        self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        light = str("Dark" not in theme).lower()
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)

    def close(self) -> None:
        """Shut the kernel down, close the notebook, and go back to the light theme."""
        from playwright.sync_api import Error

        try:
            self.page.evaluate(_CLOSE, f"{self.name}.ipynb")
            self.set_theme("JupyterLab Light")
        except Error:
            pass  # After Ctrl-C the page is gone already.

    def shutdown_kernel(self) -> None:
        """Shut the kernel down, if it runs."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def active_cell(self) -> int:
        """The index of the cell that is selected."""
        return self.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex")

    def tool(self, command: str):
        """A locator: the button for a command in the notebook's toolbar."""
        return self._locator(f"[data-command='{command}']")

    def outputs(self, selector: str = ""):
        """A locator: the outputs, or the elements in them that the CSS selector finds."""
        return self._locator(f".jp-OutputArea-output {selector}")

    def folded(self, place: str) -> list:
        """What is folded in outputs or texts, `place` being their CSS selector: locators of the <summary>.

        Of those that are made alike, the first and the last: of figures and solutions, which have one each,
        and of the options of one quiz.
        """
        found = [each.locator("summary").all() for each in self._locator(f"{place}:has(summary)").all()]
        alone = [each[0] for each in found if len(each) == 1]
        together = next((each for each in found if len(each) > 1), [])
        return alone[:1] + alone[1:][-1:] + together[:1] + together[1:][-1:]

    def summaries_that_lose_keys(self) -> list[str]:
        """The <summary> of outputs that leave a key to JupyterLab, or have nothing behind them to unfold."""
        return self.page.evaluate(_LOSING_KEYS)

    def _locator(self, selector: str):
        # Another notebook may be open behind this one.
        return self.page.locator(f".jp-NotebookPanel:not(.lm-mod-hidden) {selector}")

    def headings_that_are_missed(self) -> dict:
        """Headings that a click in the table of contents does not bring into view, and where they are.

        "clicked" is how many were tried.
        """
        return self.page.evaluate(_MISSED)

    def stretches_of_text(self) -> list[tuple[float, str]]:
        """How many screens lie between one picture, player or table and the next, the longest first.

        Each with the heading that comes before it. What follows the heading "Exercises" is left out.
        """
        return [tuple(each) for each in self.page.evaluate(_STRETCHES)]

    def wait_until(self, condition: str, arg=None, timeout: float = 10) -> None:
        """Wait until a JavaScript condition on `outputs`, an array of elements, and on `arg` is true."""
        outputs = f"[...{_HERE}.querySelectorAll('.jp-OutputArea-output')]"
        self.page.wait_for_function(
            f"arg => {{ const outputs = {outputs}; return {condition}; }}", arg=arg, timeout=timeout * 1000
        )

    def unreadable_outputs(self) -> list[str]:
        """Sources of cells with an output that shows neither text nor a picture that has loaded."""
        return self.page.evaluate(_UNREADABLE)

    def widget_errors(self) -> list[str]:
        """The beginnings of outputs that show that a widget could not be shown."""
        texts = self.outputs().all_inner_texts()
        return [text[:200] for text in texts if any(error in text for error in WIDGET_ERRORS)]

    def pictures_without_alt(self) -> list[str]:
        """The beginnings of the HTML of pictures that say nothing to those who do not see them.

        An <img>, in outputs and in texts, needs an alt. Other pictures in outputs need a label or a title,
        unless they are hidden from screen readers.
        """
        return self.page.evaluate(_WITHOUT_ALT)

    def faint_texts(self) -> list[str]:
        """Texts in outputs with too little contrast: for each pair of colours the ratio and a text.

        WCAG 2 asks for 4.5, and for 3 where letters are large. Folded texts are looked at, too; texts of
        disabled controls are not, nor are tracebacks: their colours are IPython's and JupyterLab's own.
        Pictures and gradients behind a text are not taken into account.
        """
        return self.page.evaluate(_FAINT)


def is_unfinished(cell: dict) -> bool:
    """Whether a cell has code that has not run to its end."""
    return bool(cell["cell_type"] == "code" and cell["source"].strip() and not cell["execution_count"])


_HERE = "jupyterapp.shell.currentWidget.node"

_CLOSE = """async (path) => {
    const widgets = [...jupyterapp.shell.widgets("main")];
    const widget = widgets.find((widget) => widget.context?.path === path);
    await widget.sessionContext.shutdown();
    widget.dispose();
    await new Promise((done) => setTimeout(done, 300)); // what goes wrong in closing is not the next one's
}"""

_RUN_ALL = """() => {
    const run = async () => {
        const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        await jupyterapp.commands.execute("notebook:clear-all-cell-outputs");
        // This ends at the first error, even at one that is meant, while other cells still run.
        await jupyterapp.commands.execute("notebook:run-all-cells");
        // A kernel answers in the order of the requests, so all cells have ended when it answers this one.
        await kernel.requestExecute({code: "", silent: true, stop_on_error: false}).done;
        window.allHasRun = true;
    };
    window.allHasRun = false;
    run();
}"""

_MISSED = """async () => {
    jupyterapp.shell.activateById("table-of-contents");
    const panel = document.querySelector("#table-of-contents");
    const entries = () => [...panel.querySelectorAll(".jp-tocItem-content")];
    const settled = () => new Promise((done) => setTimeout(done, 150));
    while (!entries().length) await settled();
    const here = jupyterapp.shell.currentWidget.node;
    const seen = here.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
    const missed = {clicked: 0};
    for (const entry of entries()) {
        entry.dispatchEvent(new MouseEvent("mousedown", {bubbles: true}));
        await settled();
        const text = entry.textContent.trim();
        const headings = [...here.querySelectorAll(":is(h1, h2, h3, h4)")];
        const places = headings.filter((heading) => heading.textContent.includes(text))
            .map((heading) => heading.getBoundingClientRect());
        missed.clicked += 1;
        if (!places.some((place) => place.top >= seen.top - 1 && place.bottom <= seen.bottom + 1))
            missed[text] = places.map((place) => place.top);
    }
    return missed;
}"""

_STRETCHES = """() => {
    const here = jupyterapp.shell.currentWidget.node;
    const screen = here.querySelector(".jp-WindowedPanel-outer").clientHeight;
    const place = (element) => element.getBoundingClientRect();
    const headings = [...here.querySelectorAll(":is(h1, h2, h3)")];
    const end = headings.find((heading) => heading.textContent.startsWith("Exercises"))
        || [...here.querySelectorAll(".jp-Cell")].at(-1);
    let last = place(here.querySelector(".jp-Cell")).top;
    const found = [];
    const until = (next) => {
        const before = headings.filter((heading) => place(heading).top <= last).at(-1);
        found.push([(next - last) / screen, before ? before.textContent : ""]);
    };
    for (const each of here.querySelectorAll(".jp-Cell :is(table, img, .jp-RenderedHTML)")) {
        if (place(each).top > place(end).top) break;
        if (place(each).top > last) until(place(each).top);
        last = Math.max(last, place(each).bottom);
    }
    if (place(end).top > last) until(place(end).top);
    return found.sort((one, other) => other[0] - one[0]);
}"""

_LOSING_KEYS = """() => {
    const here = jupyterapp.shell.currentWidget.node;
    const summaries = [...here.querySelectorAll(".jp-OutputArea-output summary")];
    const isFine = (each) => each.closest("[data-lm-suppress-shortcuts=true]") && each.nextElementSibling
        && each.parentElement.tagName === "DETAILS";
    return summaries.filter((each) => !isFine(each)).map((each) => each.outerHTML);
}"""

_UNREADABLE = """() => {
    const shows = (output) => output.innerText.trim()
        || [...output.querySelectorAll("img")].some((image) => image.complete && image.naturalWidth);
    const cells = jupyterapp.shell.currentWidget.content.widgets.filter((cell) => cell.outputArea);
    return cells.filter(({outputArea, model}) => {
        // Widgets may have outputs of their own inside.
        const outputs = [...outputArea.node.querySelectorAll(".jp-OutputArea-output")]
            .filter((output) => output.closest(".jp-OutputArea") === outputArea.node);
        return outputs.length < model.outputs.length || !outputs.every(shows);
    }).map((cell) => cell.model.sharedModel.source);
}"""

_WITHOUT_ALT = """() => {
    const find = (selector) => [...jupyterapp.shell.currentWidget.node.querySelectorAll(selector)];
    // "Image" is what JupyterLab writes where an alt is missing.
    const images = find(".jp-Notebook img").filter((image) => ["", "Image"].includes(image.alt.trim()));
    const isNamed = (picture) => picture.closest("[aria-hidden=true]") || picture.ariaLabel
        || picture.hasAttribute("aria-labelledby") || picture.querySelector(":scope > title");
    const others = find(".jp-OutputArea-output :is(svg, canvas, [role=img]):not(img)");
    return [...images, ...others.filter((picture) => !isNamed(picture))]
        .map((picture) => picture.outerHTML.slice(0, 200));
}"""

_FAINT = """() => {
    const brush = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    function channels(colour) {  // red, green, blue from 0 to 255, and opacity from 0 to 1
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = colour;
        brush.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    }
    const over = (top, below) =>
        [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    function background(element) {  // what is seen behind the element's text
        if (!element) return [255, 255, 255, 1];
        const own = channels(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own : over(own, background(element.parentElement));
    }
    function luminance(colour) {
        const [red, green, blue] = colour.map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    }
    function opacity(element) {
        return element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1;
    }
    const found = new Map();
    const traceback = "[data-mime-type='application/vnd.jupyter.stderr']";
    const here = jupyterapp.shell.currentWidget.node;
    for (const output of here.querySelectorAll(`.jp-OutputArea-output:not(${traceback})`)) {
        const texts = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const text = texts.currentNode.textContent.trim();
            const element = texts.currentNode.parentElement;
            if (!text || element.closest("script, style, :disabled")) continue;
            const style = getComputedStyle(element);
            const behind = background(element);
            const colour = channels(style.color);
            colour[3] *= opacity(element);
            const [dark, light] = [luminance(over(colour, behind)), luminance(behind)].sort((a, b) => a - b);
            const ratio = (light + 0.05) / (dark + 0.05);
            const size = parseFloat(style.fontSize);
            const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
            if (ratio >= (isLarge ? 3 : 4.5)) continue;
            const colours = `${style.color} on rgb(${behind.slice(0, 3).map(Math.round).join(", ")})`;
            found.set(colours, `${ratio.toFixed(2)}: ${colours}: ${text.slice(0, 80)}`);
        }
    }
    return [...found.values()];
}"""
