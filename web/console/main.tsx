// The console: it asks the API with the key of whoever signs in, and has no power of its own.
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/console.css";
import { App } from "./app";
import { applyTheme } from "./theme";

applyTheme();
const place = document.getElementById("app");
if (place) render(<App />, place);
