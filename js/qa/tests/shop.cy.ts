/** Cypress' side: what must pass, and what must fail for the reason in its title. */
import "./imitation";
import "@thamesthrive/qa/cypress";

const SOON = { timeout: 500 };

it("buying stores one order", () => {
  cy.visit("/shop.html");
  cy.get("#buy").click();
  cy.tracked("purchase-order", { price: 13.45, product: /^Sun/ }, { times: 1 })
    .its("properties")
    .then((properties) => {
      if (properties.items[0].sku != "A1") throw new Error("yields another event");
    });
});

it("looking stores no order", () => {
  cy.visit("/shop.html");
  cy.tracked("page-view");
  cy.notTracked("purchase-order");
  cy.noneRejected();
});

it("an event that takes a while is awaited", () => {
  cy.visit("/shop.html");
  cy.get("#later").click();
  cy.tracked("newsletter");
});

it("the run is there for other senders", () => {
  cy.trackingRun().then((run) => {
    if (!run.startsWith("the-run-is-there-for-other-senders-")) throw new Error(run);
  });
});

it("another price", () => {
  cy.visit("/shop.html");
  cy.get("#buy").click();
  cy.tracked("purchase-order");
  cy.tracked("purchase-order", { price: 99 }, SOON);
});

it("though it should not", () => {
  cy.visit("/shop.html");
  cy.get("#buy").click();
  cy.notTracked("purchase-order");
});

it("rejected", () => {
  cy.visit("/shop.html");
  cy.get("#free").click();
  cy.noneRejected();
});

it("not called", () => {
  cy.visit("/shop.html");
  cy.tracked("refund", {}, SOON);
});

it("held", () => {
  cy.visit("/consent.html");
  cy.tracked("page-view", {}, SOON);
});
