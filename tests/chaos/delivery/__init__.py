"""Every delivery ends delivered or visibly dead, whatever fails on the way and wherever alerts is killed or stopped."""
