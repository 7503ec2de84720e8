/**
 * The order of the modules in `tracker.min.js`: of a few hundred that were tried the one that
 * brotli compresses best, by 30 bytes. It changes nothing else, because no module does anything by
 * itself.
 */
import "./helpers";
import "./config";
import "./context";
import "./transport";
import "./identity";
import "./queue";
import "./tab-lock";
import "./response";
import "./console";
import "./ids";
import "./request";
import "./storage-keys";
import "./back-off";
import "./session-cookie";
import "./privacy";
import "./storage";
