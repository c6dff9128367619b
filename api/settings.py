"""Every setting, in one place. Each is an environment variable `FENBAN_<NAME>`; docs/deployment.md lists them (tested)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The service's settings. Paths are relative to the working directory."""

    model_config = SettingsConfigDict(env_prefix="FENBAN_", extra="ignore")

    data_dir: Path = Field(
        default=Path("data"), description="数据目录：嵌入式数据库、密钥文件、首个管理员凭证"
    )
    database_url: str = Field(
        default="", description="数据库地址（SQLAlchemy URL）；留空则用数据目录里的 SQLite 文件 fenban.db"
    )
    key: SecretStr = Field(
        default=SecretStr(""), description="主密钥（32 字节的 base64）；留空则用密钥文件，第一次启动时生成"
    )
    new_key: SecretStr = Field(
        default=SecretStr(""),
        description="更换密钥时的新主密钥，只在主密钥由 FENBAN_KEY 给出时需要（fenban keys rotate）",
    )
    models: Path = Field(default=Path("models"), description="模型目录")
    corpora: Path = Field(default=Path("corpora"), description="自带的分类表、词表和语料所在目录")
    directory: Path = Field(
        default=Path("corpora/units/county"),
        description="单位目录文件夹；在管理页面上改过以后，用数据目录里本单位自己的那份",
    )
    host: str = Field(default="127.0.0.1", description="监听地址")
    port: int = Field(default=8000, ge=0, le=65535, description="监听端口")
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="一次请求的字节上限")
    max_upload_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="工作台导入的一个文件的字节上限"
    )
    units_see_accusations: bool = Field(
        default=False,
        description="承办单位用户能否看到认定由本单位承办的检举控告件；默认不能（《信访工作条例》第三十条）",
    )
    handling_days: int = Field(
        default=60,
        ge=1,
        le=3_650,
        description="办理期限（天），从信访事项的第一件算起。《信访工作条例》第三十四条：自受理之日起六十日",
    )
    handling_source: str = Field(
        default="《信访工作条例》第三十四条", description="办理期限的依据，随期限一起显示"
    )
    forward_days: int = Field(
        default=15,
        ge=1,
        le=365,
        description="登记后转送、交办的期限（天），从收到之日算起；被退回的从退回之日算起。《信访工作条例》第二十二条：十五日内",
    )
    forward_source: str = Field(
        default="《信访工作条例》第二十二条", description="转送、交办期限的依据，随期限一起显示"
    )
    return_working_days: int = Field(
        default=5,
        ge=1,
        le=365,
        description="承办单位退回的期限（工作日）。《信访工作条例》第二十三条：自收到之日起五个工作日；逾期的仍记录，标为逾期",
    )
    review_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="收件时随机抽取、用来如实估计正确率的信访件所占比例",
    )
    session_hours: int = Field(
        default=12, ge=1, le=168, description="工作台一次登录最长多少小时，到时须重新登录"
    )
    session_idle_minutes: int = Field(
        default=60, ge=5, le=1_440, description="工作台多少分钟没有操作就须重新登录"
    )
    demo: bool = Field(
        default=False, description="演示单位：页面上标明“演示单位”（fenban serve --demo 自己设置）"
    )
    log_level: str = Field(default="INFO", description="日志级别：DEBUG、INFO、WARNING、ERROR")

    @property
    def url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'fenban.db'}"

    @property
    def key_file(self) -> Path:
        return self.data_dir / "fenban.key"

    @property
    def own_directory(self) -> Path:
        """The office's own unit directory: a link to one of `directory_history`, there from the first edit on."""
        return self.data_dir / "directory"

    @property
    def directory_history(self) -> Path:
        return self.data_dir / "directory-history"

    @property
    def directory_in_use(self) -> Path:
        """The folder whose units and rules count now."""
        return directory_in_use(self.own_directory, self.directory)

    @property
    def headings_file(self) -> Path:
        """The office's own headings over the taxonomy, in place of those in the bundle."""
        return self.data_dir / "headings.csv"

    @property
    def admin_file(self) -> Path:
        """Where the first administrator's credential is kept until someone moves it."""
        return self.data_dir / "admin.key"


def directory_in_use(own: Path, given: Path) -> Path:
    """The version that `own` leads to, else `given`. A link that leads nowhere is in use all the same: it fails in words, not in silence."""
    return own.resolve() if own.is_symlink() or own.is_dir() else given


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    return Settings()
