const PRODUCTS = {
  badoo: { name: "Sun glasses Badoo", price: 13.45 },
  "straw-hat": { name: "Straw hat", price: 20 },
};

const cart = () => JSON.parse(localStorage.getItem("cart") || "[]");
const keep = (items) => localStorage.setItem("cart", JSON.stringify(items));
const addToCart = (sku, quantity) => keep([...cart(), { sku, quantity }]);
const removeFromCart = (sku) => keep(cart().filter((item) => item.sku !== sku));
const emptyCart = () => keep([]);
const newOrder = () => `A-${Math.random().toString(36).slice(2, 10)}`;
const total = () =>
  Number(cart().reduce((sum, { sku, quantity }) => sum + PRODUCTS[sku].price * quantity, 0).toFixed(2));
