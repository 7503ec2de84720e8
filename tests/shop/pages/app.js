const events = (window.tracker ||= []);

const show = () => {
  const title = location.pathname.split("/")[2] || "Outlet";
  document.title = title;
  document.getElementById("title").textContent = title;
};

for (const link of document.querySelectorAll("nav a")) {
  link.onclick = (event) => {
    event.preventDefault();
    history.pushState({}, "", link.href);
    show();
  };
}
addEventListener("popstate", show);
document.getElementById("colour").onchange = ({ target }) =>
  window.tracker.push(["filter", { colour: target.value }]);
events.push(["outlet-opened", { items: 2 }]);
show();
