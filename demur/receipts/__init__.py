"""What the operator states, and receipts that prove that the transparency log commits to it."""

from demur.receipts.receipt import BadReceipt, Receipt
from demur.receipts.statement import BadStatement, LogKind, Statement, commitment

__all__ = ["BadReceipt", "BadStatement", "LogKind", "Receipt", "Statement", "commitment"]
