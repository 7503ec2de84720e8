"""A process that speaks HTTP. It decides who may send what, and hands requests to the writer."""
