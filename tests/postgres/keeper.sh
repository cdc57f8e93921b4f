# Keeps one PostgreSQL server: started, and again whenever a line comes in, ended when nothing more can come in, which
# is when the test process is gone, however it went. $1 the programs, $2 our folder, $3 whether to wait for the disk.
programs=$1 folder=$2 fsync=$3
# Whoever interrupts the tests interrupts us, too; but we have to tidy up.
trap '' HUP INT TERM
cd /

# The server refuses to be root.
as_nobody_special() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

control() {
    as_nobody_special "$programs/pg_ctl" -D "$folder/data" -w -t 60 "$@" </dev/null >>"$folder/log" 2>&1
}

start() {
    control -l "$folder/server.log" -o "-c listen_addresses= -c unix_socket_directories=$folder \
        -c max_connections=400 -c fsync=$fsync -c full_page_writes=$fsync -c shared_buffers=32MB" start && echo ready
}

[ "$(id -u)" = 0 ] && chown postgres "$folder"
as_nobody_special "$programs/initdb" -D "$folder/data" -U tollgate -A trust -E UTF8 --no-locale -N \
    </dev/null >"$folder/log" 2>&1 && start
while read -r _; do
    # As if the machine had stopped: what was not on the disk is lost.
    control -m immediate stop
    start
done
control -m immediate stop
rm -rf "$folder"
