"""placeholder"""
def page(*a): return ""
def commands(folder, network): return [f"vggc eval {folder.path}"]
