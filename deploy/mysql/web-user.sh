# The web service's user, who may change rows and no table. MySQL's image sources this once, when the data are new; on
# older data: docker compose exec database sh /docker-entrypoint-initdb.d/web-user.sh
MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --user=root <<SQL
CREATE USER IF NOT EXISTS web IDENTIFIED BY '$MYSQL_WEB_PASSWORD';
GRANT SELECT, INSERT, UPDATE, DELETE ON \`$MYSQL_DATABASE\`.* TO web;
SQL
