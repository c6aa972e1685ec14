"""The language server, `vggc lsp`: what an editor asks about a spec, over the Language Server Protocol.

positions       spans <-> positions as the editor counts them
cursor          where the cursor is, in a text that need not be valid YAML
spec_analysis   a text -> diagnostics, layers and network, as far as it compiles
documents       the open texts, and which of them depend on which
schema_queries  what the schema allows at the cursor
item_layers     the layers of an item, as a table
publish_diagnostics, hover, completion_items, inlay_hints, document_symbols, code_actions   the features
server          the messages of the protocol -> the features

Only `server` needs pygls; nothing imports torch.
"""
