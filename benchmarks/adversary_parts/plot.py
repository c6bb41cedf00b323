"""stub"""
def write_plot(rows, path): pass
