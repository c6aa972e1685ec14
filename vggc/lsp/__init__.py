"""What an editor asks of a spec, answered over the Language Server Protocol: `vggc lsp`.

positions    places of a text <-> positions as the editor counts them
analysis     a text -> all that can be known of it, however wrong it is
documents    the texts that are open, and which of them depend on which
context      where the cursor stands, in a text that need not be YAML yet
vocabulary   what the schema says of such a place
occurrences  the layers that an item stands for, as a table
findings, hover, completion, definition, hints, symbols, fixes    the answers
server       the messages of the protocol -> the answers

Everything but `server` works without pygls; nothing imports torch.
"""
